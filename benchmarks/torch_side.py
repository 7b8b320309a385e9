"""The cases in plain PyTorch: the same networks, channels last, its fused Adam, a loop over slices of the data."""

import time
from itertools import pairwise

import torch
from torch import nn


def network(case):
    """The network of a case, in PyTorch's words and its order of memory that suits convolutions."""
    if case.name == "dense":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    kernel, strided = 3, case.name == "cats-strided"
    if case.name == "cnn":
        channels, size, padding, ends = (1, 32, 64), 28, 1, [128, 10]
    elif case.name == "grid":
        kernel = case.kernel
        channels, size, padding, ends = (3, 32, 64), case.size, kernel // 2, [2]
    else:
        channels, size, padding, ends = (3, 32, 64, 128, 128), 150, 0, [512, 2]
    layers = []
    for before, after in pairwise(channels):
        size = size - kernel + 1 + 2 * padding
        if strided:
            size = (size + 1) // 2
            layers += [nn.Conv2d(before, after, kernel, stride=2, padding=padding), nn.ReLU()]
        else:
            layers += [nn.Conv2d(before, after, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
            size //= 2
    layers.append(nn.Flatten())
    for before, after in pairwise([channels[-1] * size * size, *ends]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(memory_format=torch.channels_last)


def as_pictures(x):
    """NumPy's pictures (batch, height, width, channels) as PyTorch sees them, at the same place in memory."""
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def predictor(case, *, bfloat16=False):
    """``predict(pictures) -> outputs``."""
    model = network(case).eval()

    def predict(x):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return model(as_pictures(x)).float().numpy()

    return predict


def seconds_per_step(case, x, y, *, bfloat16=False):
    """Seconds of a training step: an epoch of steps, after one that warms up."""
    model = network(case)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss_of = nn.CrossEntropyLoss()
    images = as_pictures(x)
    labels = torch.from_numpy(y).long()
    batch = case.batch

    def epoch():
        order = torch.randperm(len(images))
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for first in range(0, len(images), batch):
            rows = order[first : first + batch]
            inputs = images[rows].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                outputs = model(inputs)
                loss = loss_of(outputs.float(), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
            right += (outputs.argmax(1) == labels[rows]).sum()
        return float(total), int(right)

    epoch()
    start = time.perf_counter()
    epoch()
    return (time.perf_counter() - start) / -(-len(images) // batch)
