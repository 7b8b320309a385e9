"""What simple methods reach on the same photos: how much of the accuracy is the network's own merit."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from calor.data import load_image
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.photos import Photos, read
from calor.workbench.report.evidence.share import Share

SIDE = 16
"""Pixels on a side that the logistic regression sees; the nearest neighbour sees half as many."""

MOST = 10_000
"""Training photos that the simple methods learn from, at the most: more would take longer and change little."""

PENALTIES = (0.01, 0.1, 1.0)
"""Of the squared weights, in the logistic regression; a fifth of the training photos chooses."""

STEPS = 40
"""Of L-BFGS: enough for the accuracy to stand still."""


@dataclass(frozen=True)
class Baseline:
    """What a simple method reaches.

    Attributes:
        name: of the method.
        what: it does, in a few words.
        share: of the photos that it gets right.
    """

    name: str
    what: str
    share: Share


@dataclass(frozen=True)
class Headline:
    """The accuracy, and what it is to be compared with.

    Attributes:
        accuracy: on photos that the network never learned from.
        chance: of naming the commonest class always.
        baselines: simple methods.
        beats: whether the network is better than the best of them beyond chance: of the photos on which the two
            disagree, the network is right on more than half, by Wilson's 95 % interval. None where they never disagree.
    """

    accuracy: Share
    chance: float
    baselines: tuple[Baseline, ...]
    beats: bool | None

    @property
    def best(self) -> Baseline:
        """The best of the simple methods."""
        return max(self.baselines, key=lambda one: one.share.right)

    @property
    def learned(self) -> bool:
        """Whether it is better than naming the commonest class, beyond chance."""
        return self.accuracy.low > self.chance


def compare(outputs: Outputs, training: Photos | None, *, seed: int = 0) -> Headline:
    """Measure what simple methods reach on the photos that the network was measured on.

    Args:
        outputs: what the network says of them.
        training: what the methods may learn from; None: the commonest class alone is named.
        seed: which of the training photos are taken, where there are very many.
    """
    classes, labels = len(outputs.class_names), outputs.labels
    counts = np.bincount(training.labels if training is not None else labels, minlength=classes)
    commonest = int(counts.argmax())
    answers = {"Commonest class": ("always says the same", np.full(len(labels), commonest))}
    learned = small_photos(training.some(MOST, seed)) if training is not None else None
    seen = small_photos(outputs.photos) if learned is not None else None
    if learned is not None and seen is not None and len(seen.labels) == len(labels):  # none was lost since
        neighbour = nearest_neighbour(halved(learned.pixels), learned.labels, halved(seen.pixels))
        regression = logistic_regression(learned.pixels, learned.labels, seen.pixels, classes, seed=seed)
        answers["Nearest neighbour"] = (f"the most similar training photo, at {SIDE // 2} × {SIDE // 2}", neighbour)
        answers["Logistic regression"] = (f"weighs the pixels, at {SIDE} × {SIDE}", regression)
    right = {name: answer == labels for name, (_, answer) in answers.items()}
    best = max(right.values(), key=np.count_nonzero)
    disagree = outputs.right != best
    duel = Share(int(outputs.right[disagree].sum()), int(disagree.sum()))
    return Headline(
        Share(int(outputs.right.sum()), len(labels)),
        float(np.mean(labels == np.bincount(labels, minlength=classes).argmax())),
        tuple(Baseline(name, what, Share(int(right[name].sum()), len(labels))) for name, (what, _) in answers.items()),
        duel.low > 0.5 if duel.total else None,
    )


@dataclass(frozen=True)
class Small:
    """Photos at ``SIDE`` by ``SIDE``: (photos, SIDE, SIDE, 3) from 0 to 1, and their labels."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]


def small_photos(photos: Photos) -> Small | None:
    """Read photos as the simple methods see them; None where none can be read."""

    def load(file: Path) -> NDArray[np.uint8]:
        return load_image(file, size=(SIDE, SIDE))

    batches = [batch for batch in read(photos.files, load) if batch.places]
    if not batches:
        return None
    places = [place for batch in batches for place in batch.places]
    pixels = np.concatenate([batch.images for batch in batches]).astype(np.float32) / np.float32(255)
    return Small(pixels, photos.labels[places])


def halved(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half as many pixels on a side, each the mean of four."""
    count, height, width, channels = pixels.shape
    return pixels.reshape(count, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def nearest_neighbour(
    examples: NDArray[np.float32], labels: NDArray[np.int64], pixels: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The label of the example whose pixels are the nearest, by the sum of squared differences, (photos,).

    >>> examples = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    >>> nearest_neighbour(examples, np.array([7, 8]), np.array([[0.9, 0.7]], np.float32)).tolist()
    [8]
    """
    known = examples.reshape(len(examples), -1)
    squares = np.square(known).sum(axis=1)
    chosen = [
        (squares - 2 * asked @ known.T).argmin(axis=1)
        for asked in np.array_split(pixels.reshape(len(pixels), -1), -(-len(pixels) // 256))
    ]
    return labels[np.concatenate(chosen)]


def logistic_regression(
    examples: NDArray[np.float32],
    labels: NDArray[np.int64],
    pixels: NDArray[np.float32],
    classes: int,
    *,
    seed: int = 0,
) -> NDArray[np.int64]:
    """The most probable class by a multinomial logistic regression on standardised pixels, (photos,).

    A fifth of the examples chooses the penalty of the squared weights; then all are learned from.
    """
    known = examples.reshape(len(examples), -1)
    mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-3
    known, asked = (known - mean) / spread, (pixels.reshape(len(pixels), -1) - mean) / spread
    order = np.random.default_rng(seed).permutation(len(known))
    # Weights that count an example 0 or 1 times, so that all these fits are one compiled program.
    learned = np.zeros(len(known), np.float32)
    learned[order[len(known) // 5 :]] = 1

    def right(penalty: float) -> float:
        weights = _fitted(known, labels, learned, penalty, classes)
        return float(np.mean((_logits(weights, known).argmax(axis=1) == labels)[learned == 0]))

    penalty = max(PENALTIES, key=right) if len(known) >= 5 else PENALTIES[-1]
    weights = _fitted(known, labels, np.ones_like(learned), penalty, classes)
    return np.asarray(_logits(weights, asked).argmax(axis=1), np.int64)


Weights = tuple[jax.Array, jax.Array]


def _logits(weights: Weights, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return inputs @ np.asarray(weights[0]) + np.asarray(weights[1])


@partial(jax.jit, static_argnums=4)
def _fitted(inputs: jax.Array, labels: jax.Array, counted: jax.Array, penalty: jax.Array, classes: int) -> Weights:
    def loss(weights: Weights) -> jax.Array:
        costs = optax.softmax_cross_entropy_with_integer_labels(inputs @ weights[0] + weights[1], labels)
        return (costs * counted).sum() / counted.sum() + penalty * jnp.square(weights[0]).sum()

    method = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry: tuple[Weights, optax.OptState], _: None) -> tuple[tuple[Weights, optax.OptState], None]:
        weights, state = carry
        value, gradient = value_and_grad(weights, state=state)
        updates, state = method.update(gradient, state, weights, value=value, grad=gradient, value_fn=loss)
        return (optax.apply_updates(weights, updates), state), None

    start = (jnp.zeros((inputs.shape[1], classes)), jnp.zeros(classes))
    (weights, _), _ = jax.lax.scan(step, (start, method.init(start)), length=STEPS)
    return weights
