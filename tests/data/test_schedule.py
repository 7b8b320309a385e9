import itertools

import numpy as np
import pytest

from calor.data.operations import Batch, Cache, Map, Repeat, Shuffle, Skip, Take
from calor.data.schedule import SMALL, Deck, Endless, Finite, schedule

SHUFFLE = Shuffle(10, None, True)


def rows(operations, length=5, pass_=0, entropy=(1, 2)):
    order = schedule(operations, np.arange(length, dtype=np.int32), entropy)
    assert isinstance(order, Finite)
    made = order.rows(pass_)
    assert made.dtype == np.int32
    assert len(made) == order.length
    return made.tolist()


def stream(operations, start, stop, length=5, entropy=(1, 2)):
    order = schedule(operations, np.arange(length, dtype=np.int32), entropy)
    assert isinstance(order, Endless)
    return order.rows(start, stop).tolist()


@pytest.mark.parametrize("length", [50, SMALL + 1])
def test_permutations_depend_on_entropy_number_and_pass_alone(length):
    deck = Deck((1, 2), 0)
    deals = [deck.deal(length, pass_).tolist() for pass_ in (0, 1, 63, 64, 1 << 40, 1 << 70, 1 << 140)]
    assert len({tuple(deal) for deal in deals}) == len(deals)
    assert Deck((1, 2), 0).deal(length, 1 << 40).tolist() == deals[4]
    assert deck.deal(length, 1).tolist() == deals[1]
    assert Deck((1, 2), 1).deal(length, 0).tolist() != deals[0]
    assert Deck((1, 3), 0).deal(length, 0).tolist() != deals[0]
    assert all(sorted(deal) == list(range(length)) for deal in deals)


def test_every_pass_is_shuffled_anew_unless_told_otherwise():
    assert rows([SHUFFLE], 50) != rows([SHUFFLE], 50, pass_=1)
    once = Shuffle(10, None, False)
    assert rows([once], 50) == rows([once], 50, pass_=1)
    assert rows([SHUFFLE, Cache()], 50) == rows([SHUFFLE, Cache()], 50, pass_=1)
    assert rows([Cache(), SHUFFLE], 50) != rows([Cache(), SHUFFLE], 50, pass_=1)


def test_a_seed_makes_the_order_independent_of_the_run():
    seeded = Shuffle(10, 7, True)
    assert rows([seeded], 50, entropy=(1,)) == rows([seeded], 50, entropy=(2,))
    assert rows([SHUFFLE], 50, entropy=(1,)) != rows([SHUFFLE], 50, entropy=(2,))
    assert rows([seeded], 50) != rows([seeded], 50, pass_=1)


def test_two_shuffles_of_one_dataset_differ():
    order = rows([SHUFFLE, Batch(10, False), SHUFFLE], 100)
    assert sorted(itertools.chain(*order)) == list(range(100))
    assert order != rows([SHUFFLE, Batch(10, False)], 100)


def test_passes_inside_a_repetition_are_shuffled_each():
    order = rows([SHUFFLE, Repeat(3)], 20)
    passes = [order[:20], order[20:40], order[40:]]
    assert all(sorted(deal) == list(range(20)) for deal in passes)
    assert len({tuple(deal) for deal in passes}) == 3


def test_batches_straddle_passes_when_the_repetition_comes_first():
    assert rows([Repeat(2), Batch(4, False)], 3) == [[0, 1, 2, 0], [1, 2, -1, -1]]
    assert rows([Batch(2, False), Repeat(2)], 3) == [[0, 1], [2, -1], [0, 1], [2, -1]]
    assert rows([Batch(2, True), Repeat(2)], 3) == [[0, 1], [0, 1]]
    assert stream([Repeat(None), Batch(2, False)], 1, 4, length=3) == [[2, 0], [1, 2], [0, 1]]
    assert stream([Batch(2, False), Repeat(None)], 1, 4, length=3) == [[2, -1], [0, 1], [2, -1]]


def test_an_endless_stream_is_cut_anywhere_alike():
    operations = [Repeat(None), SHUFFLE, Skip(3), Batch(4, False), SHUFFLE, Skip(1)]
    whole = stream(operations, 0, 30, length=7)
    assert [row for start in range(30) for row in stream(operations, start, start + 1, length=7)] == whole
    assert whole[4:17] == stream(operations, 4, 17, length=7)


def test_an_endless_stream_shuffled_has_each_element_once_in_a_pass():
    order = stream([Repeat(None), SHUFFLE], 0, 30, length=10)
    assert all(sorted(order[start : start + 10]) == list(range(10)) for start in (0, 10, 20))
    assert order[:10] != order[10:20]


@pytest.mark.parametrize("shuffles", [[], [SHUFFLE]])
def test_a_part_of_an_endless_stream_is_finite(shuffles):
    operations = [*shuffles, Repeat(None), Take(7), Map(abs)]
    first, second = rows(operations, 5), rows(operations, 5, pass_=1)
    assert len(first) == 7
    assert sorted(first[:5]) == [0, 1, 2, 3, 4]
    assert (first == second) is (not shuffles)


def test_nothing_repeated_is_nothing():
    assert rows([Skip(5), Repeat(None)]) == []
    assert rows([Repeat(0)]) == []
    assert rows([Repeat(None), Repeat(0)]) == []
    assert stream([Repeat(None), Repeat(None), Cache()], 0, 6) == [0, 1, 2, 3, 4, 0]
