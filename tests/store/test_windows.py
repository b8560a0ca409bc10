"""Windows of any series, checked against its points; blocks are small, so that many meet."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from trema.store import open_store, packing, thinning
from trema.store.base import Store
from trema.testing.feeding import LOSS, Feed, facts
from trema.testing.store_reading import check_window, feed_values

_names = (f"run {number}" for number in itertools.count())
VALUES = some.one_of(
    some.floats(-1e9, 1e9),
    some.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
    some.floats(width=64),
)
QUICK = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def store(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(packing, "BLOCK_POINTS", 16)
    monkeypatch.setattr(thinning, "SKETCH_POINTS", 4)
    thinning._sketch_starts.cache_clear()
    store = open_store(url)
    yield store
    store.close()
    thinning._sketch_starts.cache_clear()


@QUICK
@given(data=some.data())
def test_a_window_says_what_its_points_say(store: Store, data: some.DataObject) -> None:
    values = np.array(data.draw(some.lists(VALUES, min_size=1, max_size=200)))
    gaps = some.lists(some.integers(1, 50), min_size=len(values), max_size=len(values))
    steps = np.cumsum(data.draw(gaps))
    feed, cut = Feed(store, next(_names)), data.draw(some.integers(0, len(values)))
    for part in (slice(0, cut), slice(cut, None)):
        pairs = zip(steps[part].tolist(), values[part].tolist(), strict=True)
        feed(*[facts(step, loss=value) for step, value in pairs])
    width = data.draw(some.integers(2, 60))
    window = store.window(feed.run, LOSS, width=width)
    check_window(window, steps, values, width)
    assert window.position == len(values)
    curve = store.curves({feed.run: LOSS}, width)[feed.run]
    np.testing.assert_array_equal(curve.steps, window.steps)
    np.testing.assert_array_equal(curve.values, window.values)
    start, end = data.draw(some.integers(-5, steps[-1] + 5)), data.draw(some.integers(-5, 9999))
    inside = (steps >= start) & (steps <= end)
    part_window = store.window(feed.run, LOSS, start=start, end=end, width=width)
    check_window(part_window, steps[inside], values[inside], width)
    rows = store.rows_at(feed.run, LOSS, start=start, end=end)
    np.testing.assert_array_equal(rows.steps, steps[inside])
    np.testing.assert_array_equal(rows.values, values[inside])


@QUICK
@given(
    steps=some.lists(some.integers(-(2**63), 2**63 - 1) | some.integers(0, 20), max_size=100),
    width=some.integers(2, 30),
)
def test_any_steps_in_any_order(store: Store, steps: list[int], width: int) -> None:
    feed = Feed(store, next(_names))
    feed(*[facts(step, loss=float(number)) for number, step in enumerate(steps)])
    window = store.window(feed.run, LOSS, width=width)
    assert len(window.steps) <= width
    if not steps:
        return
    assert (window.steps[0], window.steps[-1]) == (min(steps), max(steps))
    assert all(one <= two for one, two in itertools.pairwise(window.steps.tolist()))
    if window.low is not None and window.high is not None:
        assert (window.low.min(), window.high.max()) == (0.0, len(steps) - 1.0)


def test_blocks_of_an_older_version_are_read(store: Store) -> None:
    from sqlalchemy import text

    from trema.store.connecting import open_engine, writing

    values = np.random.default_rng(0).normal(size=500)
    feed_values(Feed(store), values.tolist())
    engine = open_engine(store._engine.url.render_as_string(False))  # type: ignore[attr-defined]  # of the test only
    with writing(engine) as db:
        db.execute(text("UPDATE trema_blocks SET sketch = NULL WHERE number % 2 = 0"))
    engine.dispose()
    check_window(store.window("run", LOSS, width=20), np.arange(500), values, 20)
