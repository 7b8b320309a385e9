import numpy as np
import pytest

from calor.data import Dataset
from calor.errors import DataError


def ragged(count=4):
    return Dataset.range(1, count).map(lambda x: (np.full(int(x), int(x)), x))


def test_each_batch_is_as_wide_as_its_longest():
    batches = [(x.tolist(), y.tolist()) for x, y in ragged().padded_batch(2)]
    assert batches == [([[1, 0], [2, 2]], [1, 2]), ([[3, 3, 3]], [3])]
    assert len(list(ragged().padded_batch(2, drop_remainder=True))) == 1


def test_a_shape_that_is_given_makes_all_batches_alike():
    dataset = ragged().padded_batch(2, padded_shapes=([5], []), padding_values=(-1, 0))
    assert [x.tolist() for x, _ in dataset] == [[[1, -1, -1, -1, -1], [2, 2, -1, -1, -1]], [[3, 3, 3, -1, -1]]]
    plan = dataset.map(lambda x, y: (x * 2, y)).plan()
    assert plan.spec[0].shape == (2, 5)
    cursor = plan.start((0,))
    assert cursor.take(2).columns[0].shape[1:] == (5,)
    cursor.close()
    by_none = Dataset.range(1, 3).map(lambda x: np.ones((int(x), 2))).padded_batch(2, padded_shapes=(None, 3))
    assert next(iter(by_none)).shape == (2, 2, 3)
    assert [sum(x.ravel().tolist()) for x in by_none.map(lambda x: np.asarray(x) + 0)] == [6.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((1,),), r"padded_shapes=\(1,\)\) does not fit elements with arrays of shape \(1,\), \(\)"),
        ((([1, 1], []),), "does not fit"),
        ((([2], []),), r"an array of shape \(3,\) is larger than \(2,\)"),
        ((None, (0, 0, 0)), "the elements have 2 arrays; give one"),
    ],
)
def test_shapes_and_values_that_do_not_fit(arguments, message):
    with pytest.raises(DataError, match=message):
        list(ragged().padded_batch(2, *arguments))


def test_elements_that_differ_in_more_than_size():
    for elements, message in (
        ([np.zeros(2), np.zeros((2, 2))], r"as many dimensions in all elements, not of shapes \(2,\), \(2, 2\)"),
        ([(1, 2), (1, 2, 3)], "same structure"),
    ):
        with pytest.raises(DataError, match=message):
            list(Dataset.from_generator(elements).padded_batch(2))
