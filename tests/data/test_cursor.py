import gc
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from calor.data import Block
from calor.data.cursor import AHEAD, StreamingCursor


def block(number):
    rows = np.full((3, 2), number, np.int32)
    return Block(np.zeros(6), rows, rows)


def threads():
    return sum(thread.name == "calor-stream" for thread in threading.enumerate())


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def made_from(items, log):
    for item in items:
        log.append(item)
        yield None if item is None else block(item)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    wait_for(lambda: threads() == 0)
    yield
    wait_for(lambda: threads() == 0)


def test_blocks_are_cut_to_what_is_asked_for():
    cursor = StreamingCursor(made_from([1, 2, None], []), ahead=True)
    taken = [cursor.take(2) for _ in range(5)]
    assert [None if part is None else len(part.indices) for part in taken] == [2, 1, 2, 1, None]
    assert taken[0].columns is taken[1].columns
    assert cursor.take(2) is None
    assert cursor.take(2) is None


def test_only_a_few_blocks_are_made_ahead():
    log = []
    cursor = StreamingCursor(made_from(range(100), log), ahead=True)
    wait_for(lambda: len(log) > AHEAD)
    time.sleep(0.05)
    assert len(log) == AHEAD + 1
    cursor.close()
    assert len(log) == AHEAD + 1


def test_the_next_pass_waits_until_it_is_asked_for():
    log = []
    cursor = StreamingCursor(made_from([1, None, 2, None, 3], log), ahead=False)
    assert cursor.take(3) is not None
    assert cursor.take(3) is None
    time.sleep(0.05)
    assert log == [1, None]
    assert cursor.take(3) is not None
    assert cursor.take(3) is None
    assert cursor.take(3) is not None
    assert cursor.take(3) is None


def test_a_cursor_that_is_closed_or_forgotten_stops_its_thread():
    for ahead in (True, False):
        cursor = StreamingCursor(made_from([1, None] * 100, []), ahead=ahead)
        cursor.take(1)
        cursor.close()
        assert threads() == 0
        cursor.close()
        cursor = StreamingCursor(made_from([1, None] * 100, []), ahead=ahead)
        assert threads() == 1
        del cursor
        gc.collect()
        wait_for(lambda: threads() == 0)


def test_errors_are_raised_where_the_block_is_taken():
    def failing():
        yield block(1)
        raise ValueError("broken")

    cursor = StreamingCursor(failing(), ahead=True)
    assert cursor.take(3) is not None
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            cursor.take(3)


@pytest.mark.parametrize("held", [True, False])
def test_a_program_may_end_in_the_middle_of_a_run(held):
    code = f"""
        import numpy as np
        import calor

        dataset = calor.Dataset.from_arrays(np.zeros((4000, 64, 64, 3), np.uint8)).map(lambda x: np.sort(x)).batch(50)
        cursor = dataset.plan(memory_limit=0).start((0,))
        cursor.take(1)
        kept = cursor if {held} else None
        del cursor
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
