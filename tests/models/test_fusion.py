"""Which layers run together, what ``explain`` says of it, and that it changes no result."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import calor
from calor import layers
from calor.models import fusion, network
from calor.ops import native, warp

FUSED = "convolution + bias + ReLU + max-pooling"


class Own(layers.Conv2D):
    """A user's own convolution."""


class OwnPooling(layers.MaxPooling2D):
    """A user's own pooling."""


def steps(*stack, shape=(12, 12, 3)):
    """For each step of the plan its number of layers, the operation, and the note."""
    model = calor.Sequential([calor.Input(shape), *stack], seed=0)
    return [(len(step.placed), step.operation, step.note) for step in fusion.plan(model._placed)]


def relu(filters=4, kernel_size=3, **settings):
    return layers.Conv2D(filters, kernel_size, activation="relu", **settings)


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [relu(), layers.MaxPooling2D()],
        lambda: [relu(padding="same"), layers.MaxPooling2D((3, 2), padding="same")],
        lambda: [relu(kernel_size=(9, 7)), layers.MaxPooling2D((4, 4))],
        lambda: [relu(kernel_size=1), layers.MaxPooling2D((1, 4))],
        lambda: [layers.Conv2D(4, 3, activation=jax.nn.relu), layers.MaxPooling2D(2, 2)],
        lambda: [layers.Conv2D(4, 3), layers.ReLU(), layers.MaxPooling2D()],
        lambda: [layers.Conv2D(4, 3), layers.Activation("relu"), layers.MaxPooling2D()],
    ],
)
def test_convolution_relu_and_pooling_are_one_step(stack):
    stack = stack()
    assert steps(*stack) == [(len(stack), FUSED, "")]


def test_without_a_bias():
    found = steps(layers.Conv2D(4, 3, use_bias=False, activation="relu"), layers.MaxPooling2D())
    assert found == [(2, "convolution + ReLU + max-pooling", "")]


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        (lambda: [relu(), layers.MaxPooling2D(3, 2)], "its windows do not lie side by side"),
        (lambda: [relu(), layers.MaxPooling2D(2, 1)], "its windows do not lie side by side"),
        (lambda: [relu(strides=2), layers.MaxPooling2D()], "the kernel has strides or dilation"),
        (lambda: [relu(dilation_rate=(1, 2)), layers.MaxPooling2D()], "the kernel has strides or dilation"),
        (lambda: [relu(kernel_size=(3, 8)), layers.MaxPooling2D()], "the kernel or the pool is too large"),
        (lambda: [relu(), layers.MaxPooling2D((2, 5))], "the kernel or the pool is too large"),
        (lambda: [relu(padding="same"), layers.MaxPooling2D((64, 4), padding="same")], "or the pool is too large"),
    ],
)
def test_what_cannot_be_one_step_says_why(stack, reason):
    (first, operation, note), second = steps(*stack())
    assert (first, operation) == (1, "convolution + bias + ReLU")
    assert note.startswith("not with the pooling: ")
    assert reason in note
    assert second == (1, "MaxPooling2D", "")


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [Own(4, 3, activation="relu"), layers.MaxPooling2D()],
        lambda: [relu(), OwnPooling()],
        lambda: [relu(), layers.AveragePooling2D()],
        lambda: [layers.Conv2D(4, 3, activation="tanh"), layers.MaxPooling2D()],
        lambda: [layers.Conv2D(4, 3), layers.MaxPooling2D()],
        lambda: [layers.Conv2D(4, 3, activation=lambda x: x * 2), layers.MaxPooling2D()],
        lambda: [relu(), layers.Dropout(0.5), layers.MaxPooling2D()],
        lambda: [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D()],
        lambda: [layers.Conv2D(4, 3), layers.ReLU(max_value=6.0), layers.MaxPooling2D()],
        lambda: [layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten()],
        lambda: [relu()],
    ],
)
def test_what_is_left_as_it_is(stack):
    stack = stack()
    found = steps(*stack)
    assert [count for count, _, _ in found] == [1] * len(stack)
    assert not any(note for _, _, note in found)


def test_a_relu_layer_is_told_once():
    found = steps(layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten())
    assert [operation for _, operation, _ in found] == ["convolution + bias", "ReLU", "Flatten"]


def test_own_layers_are_called_as_ever():
    calls = []

    class Watched(layers.Conv2D):
        def apply(self, *arguments, **settings):
            calls.append(self.name)
            return super().apply(*arguments, **settings)

    model = calor.Sequential([Watched(4, 3, activation="relu", input_shape=(8, 8, 1)), layers.MaxPooling2D()], seed=0)
    model.predict(np.zeros((1, 8, 8, 1), np.float32))
    assert calls


def apart(placed, input_shape):
    """The layers one after the other, as the plan would have them with nothing fused."""

    def forward(parameters, state, x, *, training, key):
        after = dict(state)
        for index, one in enumerate(placed):
            x, after[one.name] = one.layer.apply(
                parameters[one.name],
                state[one.name],
                x,
                training=training,
                key=None if key is None else jax.random.fold_in(key, index),
            )
        return x, after

    return forward


def network_of(*stack, shape=(14, 13, 3)):
    model = calor.Sequential([calor.Input(shape), *stack], seed=3)
    x = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    together = fusion.forward_function(model._placed, shape)
    return model, x, lambda *args, **settings: together(*args, mask=None, **settings), apart(model._placed, shape)


def test_outputs_state_and_gradients_are_those_of_the_layers_apart():
    model, x, together, separate = network_of(
        relu(5, padding="same"),
        layers.MaxPooling2D(),
        layers.BatchNormalization(),
        layers.Conv2D(7, (2, 3)),
        layers.ReLU(),
        layers.MaxPooling2D((2, 3), padding="same"),
        layers.Dropout(0.4),
        layers.Flatten(),
        layers.Dense(4, activation="softmax"),
    )

    def loss(forward):
        def value(parameters, x):
            outputs, state = forward(parameters, model.state, x, training=True, key=jax.random.key(5))
            return jnp.sum(outputs[:, 1] ** 2), (outputs, state)

        return jax.jit(jax.value_and_grad(value, argnums=(0, 1), has_aux=True))(model.parameters, x)

    found, expected = loss(together), loss(separate)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for array, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # Sums of some hundred products of numbers around 1, in another order.
        assert_allclose(array, other, rtol=1e-4, atol=1e-6)


def test_dropout_drops_the_same_units_as_without_fusion():
    """A layer's random key comes from its place in the model, not from the number of steps before it."""
    model, x, together, separate = network_of(relu(8), layers.MaxPooling2D(), layers.Dropout(0.5))
    outputs = [
        forward(model.parameters, model.state, x, training=True, key=jax.random.key(1))[0]
        for forward in (together, separate)
    ]
    dropped = [np.asarray(array) == 0 for array in outputs]
    assert_array_equal(*dropped)
    assert_allclose(*outputs, rtol=1e-5, atol=1e-6)


TRAINING = """
import json
import numpy as np
import calor
from calor import layers
random = np.random.default_rng(0)
x, y = random.normal(size=(96, 16, 15, 3)).astype(np.float32), random.integers(0, 4, 96)
model = calor.Sequential([
    calor.Input((16, 15, 3)),
    layers.Conv2D(6, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(9, 3),
    layers.ReLU(),
    layers.MaxPooling2D(2, padding="same"),
    layers.Dropout(0.3),
    layers.Conv2D(5, 2, activation="relu"),
    layers.Flatten(),
    layers.Dense(4, activation="softmax"),
], seed=2)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=32, epochs=3, validation_data=(x[:20], y[:20]), verbose=0).history
print(json.dumps([history, model.predict(x[:5]).tolist()]))
"""


def trained(**environment):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAINING],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def test_training_takes_the_same_course_with_and_without_the_kernels():
    if not native.LIBRARY.is_file():
        pytest.skip("the native kernels are not compiled")
    (history, outputs), (plain_history, plain_outputs) = trained(CALOR_KERNELS=""), trained(CALOR_KERNELS="off")
    assert list(history) == list(plain_history)
    for name, values in plain_history.items():
        # Nine steps of Adam in float32, which makes much of the rounding errors in small gradients.
        assert_allclose(history[name], values, rtol=1e-3, atol=1e-4, err_msg=name)
    assert_allclose(outputs, plain_outputs, rtol=1e-3, atol=1e-4)
    assert trained(CALOR_KERNELS="")[0]["loss"] == history["loss"]  # and to the bit in another run


def explained(*stack, shape=(28, 28, 1)):
    lines = []
    calor.Sequential([calor.Input(shape), *stack], seed=0, name="digits").explain(lines.append)
    return "\n".join(lines)


def stack():
    return [
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(8, 3, strides=2, activation="relu"),
        layers.MaxPooling2D(2),
        layers.MaxPooling2D(2, 1),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]


def test_explain_with_kernels(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: True)
    monkeypatch.setattr(native, "instruction_set", lambda: "avx2")
    title, rule, header, same_rule, *rows, last_rule = explained(*stack()).splitlines()
    assert title == "Model: digits"
    assert rule == same_rule == last_rule == "─" * max(map(len, rows))
    assert [header, *rows] == [
        "Layers                 Operation                                Runs on",
        "conv2d, max_pooling2d  convolution + bias + ReLU + max-pooling  avx2 kernels",
        "conv2d_1               convolution + bias + ReLU                "
        "avx2 kernels (not with the pooling: the kernel has strides or dilation)",
        "max_pooling2d_1        MaxPooling2D                             avx2 kernels",
        "max_pooling2d_2        MaxPooling2D                             XLA (windows not side by side)",
        "flatten                Flatten                                  XLA",
        "dense                  matrix product + bias + softmax          XLA",
    ]


def test_explain_without_kernels(monkeypatch):
    monkeypatch.setattr(native, "status", lambda: native.Status(None, "CALOR_KERNELS=off"))
    lines = explained(*stack()).splitlines()
    assert [line.split("  ")[-1].strip() for line in lines[4:-1]] == [
        "XLA (CALOR_KERNELS=off)",
        "XLA (CALOR_KERNELS=off)",
        "XLA (CALOR_KERNELS=off)",
        "XLA (windows not side by side)",
        "XLA",
        "XLA",
    ]


def test_explain_on_another_platform(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "max-pooling  XLA on gpu\n" in explained(*stack())


def augmenting():
    return [
        layers.Rescaling(1 / 255),
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1, fill_mode="nearest"),
        layers.RandomZoom(0.2, fill_mode="nearest"),
        layers.RandomContrast(0.2, value_range=(0, 1)),
        layers.RandomShear(0.1),
        layers.RandomFlip(),
        layers.Conv2D(4, 3),
    ]


def test_geometric_layers_are_one_warp():
    assert [operation for _, operation, _ in steps(*augmenting())] == [
        "affine warp of uint8 or float32 + rescaling",
        "RandomContrast",
        "affine warp",
        "convolution + bias",
    ]


def test_explain_shows_what_warps_run_on(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: True)
    monkeypatch.setattr(native, "instruction_set", lambda: "avx2")
    rows = explained(*augmenting(), shape=(28, 28, 3)).splitlines()[4:-1]
    assert rows[0].startswith(
        "rescaling, random_flip, random_rotation, random_zoom  affine warp of uint8 or float32 + "
    )
    assert [row.split("  ")[-1].strip() for row in rows] == ["avx2 kernels", "XLA", "avx2 kernels", "avx2 kernels"]
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(native, "status", lambda: native.Status(None, "CALOR_KERNELS=off"))
    assert explained(*augmenting(), shape=(28, 28, 3)).splitlines()[4].endswith("XLA (CALOR_KERNELS=off)")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_a_warp_in_front_gets_the_bytes_and_draws_as_the_layer_alone(dtype, monkeypatch):
    seen = []

    def watched(images, *arguments, **settings):
        seen.append(images.dtype)
        return warp(images, *arguments, **settings)

    monkeypatch.setattr("calor.layers.chain.warp", watched)
    model, _, together, separate = network_of(
        layers.Rescaling(1 / 255), layers.RandomAffine(30, 0.1, horizontal_flip=True), layers.Flatten()
    )
    x = np.random.default_rng(0).integers(0, 256, (6, 14, 13, 3)).astype(dtype)
    for training, key in ((True, jax.random.key(4)), (False, None)):
        outputs = [
            forward(model.parameters, model.state, x, training=training, key=key)[0] for forward in (together, separate)
        ]
        assert outputs[0].dtype == jnp.float32
        assert_allclose(*outputs, atol=1e-4)
    assert seen == [np.uint8 if dtype == np.uint8 else np.float32]


def test_explain_needs_shapes():
    with pytest.raises(calor.errors.ModelStateError, match="explain needs the shape of the input"):
        calor.Sequential([layers.Dense(1)]).explain()
    with pytest.raises(calor.errors.ModelStateError, match="explain needs layers"):
        calor.Sequential().explain()


def test_a_final_softmax_is_left_to_the_loss():
    model = calor.Sequential([calor.Input((12, 12, 3)), relu(), layers.MaxPooling2D(), layers.Flatten()], seed=0)
    model.add(layers.Dense(3, activation="softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    placed, _, _ = network.without_final_activation(model._placed, model.loss)
    operations = [step.operation for step in fusion.plan(placed)]
    assert operations == [FUSED, "Flatten", "matrix product + bias"]
