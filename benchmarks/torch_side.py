"""The cases in plain PyTorch: the same networks, channels last, its fused Adam, a loop over slices of the data."""

import time
from itertools import pairwise

import torch
from networks import BATCH
from torch import nn


def network(case, strided=False):
    """The network of a case, in PyTorch's words."""
    if case == "dense":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if case == "cnn":
        channels, size, padding = (1, 32, 64), 28, 1
        ends = (128, 10)
    else:
        channels, size, padding = (3, 32, 64, 128, 128), 150, 0
        ends = (512, 2)
    layers = []
    for before, after in pairwise(channels):
        size = size - 2 + 2 * padding
        if strided:
            size = (size + 1) // 2
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=padding), nn.ReLU()]
        else:
            layers += [nn.Conv2d(before, after, 3, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
            size //= 2
    features = channels[-1] * size * size
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, ends[0]), nn.ReLU(), nn.Linear(*ends))


def seconds_per_step(case, x, y, *, bfloat16=False):
    """Seconds of a training step: an epoch of steps, after one that warms up."""
    name = case.removesuffix("-strided")
    model = network(name, strided=case.endswith("-strided")).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss_of = nn.CrossEntropyLoss()
    images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(y).long()
    batch = BATCH[name]

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
