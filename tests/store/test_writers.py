"""Many writers at once in one process: nothing is lost or doubled, and none waits for ever."""

import threading
import time

import pytest

from trema.store import open_store
from trema.store.queueing import Queue
from trema.testing.feeding import LOSS, Feed, facts


@pytest.mark.slow
def test_many_threads_write_and_read(url: str) -> None:
    store = open_store(url)
    slowest: list[float] = []
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            feed = Feed(store, f"run {number}")
            for start in range(0, 50, 10):
                begun = time.monotonic()
                feed(*[facts(step, loss=float(step)) for step in range(start, start + 10)])
                slowest.append(time.monotonic() - begun)
                store.touched()
                store.window(feed.run, LOSS)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for number in range(64):
        assert store.series(f"run {number}", LOSS).steps.tolist() == list(range(50))
    assert max(slowest) < 30  # about 1 measured
    store.close()


@pytest.mark.parametrize("places", [1, 3])
def test_a_queue_lets_the_first_through_first(places: int) -> None:
    queue, inside, most, order = Queue(places), [0], [0], []
    gate = [threading.Event() for _ in range(places)]

    def hold(event: threading.Event) -> None:
        with queue:
            event.set()
            release.wait()

    def wait(number: int) -> None:
        with queue:
            order.append(number)
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            inside[0] -= 1

    release = threading.Event()
    holders = [threading.Thread(target=hold, args=(event,)) for event in gate]
    for holder, event in zip(holders, gate, strict=True):
        holder.start()
        event.wait()
    waiters = [threading.Thread(target=wait, args=(number,)) for number in range(10)]
    for number, waiter in enumerate(waiters):
        waiter.start()
        while len(queue._waiting) <= number:
            time.sleep(0.001)
    release.set()
    for thread in [*holders, *waiters]:
        thread.join()
    assert most[0] <= places
    assert sorted(order) == list(range(10))
    if places == 1:
        assert order == list(range(10))


def test_a_queue_goes_on_after_an_error() -> None:
    queue = Queue()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"), queue:
            raise ValueError("no")
