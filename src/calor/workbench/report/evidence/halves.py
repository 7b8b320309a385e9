"""Two halves of the photos: what is chosen on the one is judged on the other, and the other way round."""

import numpy as np
from numpy.typing import NDArray


def halves(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.bool_]:
    """Whether each photo is in the first half: of every class about as many as in the second, (photos,).

    >>> halves(np.array([0, 0, 1, 1])).sum()
    np.int64(2)
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    first = np.zeros(len(labels), bool)
    first[order[::2]] = True
    return first
