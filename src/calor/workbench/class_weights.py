"""Rare classes that count more in training, so that a network does not learn to leave them out."""

import numpy as np

UNEVEN = 3.0
"""How many times as large as the smallest class the largest is before the classes are weighted by themselves."""


def class_weights(counts: np.ndarray, choice: str | None) -> dict[int, float] | None:
    """What ``fit`` takes as ``class_weight``; None where every picture counts the same.

    The weight of a class is ``pictures / (classes × pictures of the class)``: all classes together count as much as
    each other, and the mean over the pictures is 1 (King and Zeng, "Logistic regression in rare events data", 2001;
    scikit-learn's ``"balanced"``).

    Args:
        counts: the training pictures of each class, (classes,); each has at least one.
        choice: ``"balanced"``; None for none; ``"auto"`` for balanced from three pictures of the largest class to
            one of the smallest on.

    >>> class_weights(np.array([10, 30]), "balanced") == {0: 2.0, 1: 2 / 3}
    True
    >>> class_weights(np.array([20, 30]), "auto")
    """
    if choice is None or (choice == "auto" and counts.max() < UNEVEN * counts.min()):
        return None
    return {label: float(weight) for label, weight in enumerate(counts.sum() / (len(counts) * counts))}
