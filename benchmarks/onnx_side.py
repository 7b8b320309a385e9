"""ONNX Runtime's side of the inference cases: the same networks as ONNX graphs, pictures in the order that it likes."""

import math
import os

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def predictor(case: str, shape: tuple[int, int, int]):
    """``predict(pictures (batch, channels, height, width)) -> outputs`` of a case's network, with weights at random."""
    convolutions, units = ((32, 64), (128, 10)) if case == "cnn" else ((32, 64, 128, 128), (512, 2))
    pads = [1, 1, 1, 1] if case == "cnn" else [0, 0, 0, 0]
    generator = np.random.default_rng(0)
    nodes, weights, at = [], [], "pictures"
    height, width, channels = shape

    def add(kind: str, *factors: np.ndarray, **attributes) -> None:
        nonlocal at
        names = [f"weights{len(weights) + i}" for i in range(len(factors))]
        weights.extend(numpy_helper.from_array(one, name) for one, name in zip(factors, names, strict=True))
        nodes.append(helper.make_node(kind, [at, *names], [f"{kind}{len(nodes)}"], **attributes))
        at = nodes[-1].output[0]

    def drawn(*size: int) -> np.ndarray:
        return (generator.standard_normal(size) / math.sqrt(np.prod(size[1:]))).astype(np.float32)

    for filters in convolutions:
        add("Conv", drawn(filters, channels, 3, 3), np.zeros(filters, np.float32), pads=pads)
        add("Relu")
        add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        height, width = ((size - 2 + 2 * pads[0]) // 2 for size in (height, width))
        channels = filters
    add("Flatten")
    add("Gemm", drawn(units[0], channels * height * width), np.zeros(units[0], np.float32), transB=1)
    add("Relu")
    add("Gemm", drawn(units[1], units[0]), np.zeros(units[1], np.float32), transB=1)
    if case == "cnn":
        add("Softmax")
    given = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["batch", shape[2], shape[0], shape[1]])
    result = helper.make_tensor_value_info(at, TensorProto.FLOAT, ["batch", units[1]])
    model = helper.make_model(
        helper.make_graph(nodes, case, [given], [result], weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 10
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda pictures: session.run(None, {"pictures": pictures})[0]
