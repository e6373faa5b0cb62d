"""Things made ahead by threads."""

import threading
import time

import pytest

from darkparse.dataset.threads import ahead

THREADS = [0, 1, 2, 5]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("depth", [0, 1, 9])
def test_things_come_in_order(threads, depth):
    def slow_now_and_then(order):
        time.sleep(0.01 * (order % 3 == 0))
        return order**2

    assert list(ahead(slow_now_and_then, range(20), threads, depth)) == [order**2 for order in range(20)]


@pytest.mark.parametrize("threads", THREADS)
def test_an_error_comes_in_its_place(threads):
    things = ahead(lambda order: 12 // (3 - order), range(9), threads, 4)
    assert [next(things) for _ in range(3)] == [4, 6, 12]
    with pytest.raises(ZeroDivisionError):
        next(things)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_are_begun_than_were_said(threads, depth):
    begun, most = [], []
    for used, _ in enumerate(ahead(begun.append, range(50), threads, depth)):
        time.sleep(0.002)
        most.append(len(begun) - used - 1)
    assert len(begun) == 50
    assert max(most) <= (depth if threads else 0)


def test_without_threads_no_order_is_taken_before_its_thing_is_used():
    taken = []
    things = ahead(lambda order: order, (taken.append(i) or i for i in range(9)), 0, 5)
    assert (next(things), next(things), taken) == (0, 1, [0, 1])


@pytest.mark.parametrize("threads", THREADS)
def test_closed_early_it_leaves_no_thread_and_begins_nothing_more(threads):
    before, begun = threading.active_count(), []
    things = ahead(lambda order: begun.append(order) or time.sleep(0.01), range(100), threads, 4)
    next(things)
    things.close()
    count = len(begun)
    assert count <= 1 + 4 + 1
    time.sleep(0.03)
    assert (threading.active_count(), len(begun)) == (before, count)


def test_each_thread_begins_as_it_is_told():
    told = set()
    names = set(
        ahead(
            lambda _: time.sleep(0.01) or threading.current_thread().name,
            range(9), 2, 4, lambda: told.add(threading.current_thread().name),
        )
    )  # fmt: skip
    assert names == told
    assert len(told) == 2
