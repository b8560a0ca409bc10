"""A database that an older version wrote is brought up to date with all that is in it."""

import json
from pathlib import Path

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from trema.store import migrations, open_store
from trema.store.base import Batch, SeriesKey
from trema.store.connecting import open_engine, writing
from trema.testing.feeding import HOSTILE, LOSS, logged
from trema.testing.store_reading import check_window

_RUN = (
    "INSERT INTO trema_runs (id, name, framework, origin, state, started, updated, revision, "
    "metadata) VALUES ('run', 'n', 'torch', '', 'running', 1, 2, 2, '{}')"
)
_FINDING = (
    'INSERT INTO trema_findings (run, segment, id, rank, "check", cause, severity, state, '
    "revision, document) VALUES (1, 0, :id, 0, 'c', 'loss', 'error', 'active', 1, :document)"
)
_SERIES = (
    "INSERT INTO trema_series (run, rank, segment, phase, fact, name, digest, points, last_block) "
    "VALUES (1, 0, 0, 'train', 'loss', '', :digest, 300, 2)"
)
_BLOCK = (
    'INSERT INTO trema_blocks (series, number, start, "count", shape, first_step, last_step, '
    'minimum, maximum, nonfinite, steps, "values") VALUES (1, :number, :start, 100, :shape, '
    ":first, :last, 0, 1, 0, :steps, :values)"
)
_JOURNAL = (
    "INSERT INTO trema_journals (run, rank, cursor, head, state) VALUES (1, 0, 10, '', 'running')"
)
_LOG = (
    "INSERT INTO trema_events (run, revision, rank, segment, kind, step, record) "
    "VALUES (1, 2, 0, 0, 'log', 0, :record)"
)


def first_version(url: str) -> None:
    """Make a database of the first version with a run in it."""
    engine = open_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with writing(engine) as db:
        config.attributes["connection"] = db
        command.upgrade(config, "0001")
        db.execute(text(_RUN))
        document = {"title": HOSTILE[2], "where": {"layer": "relu"}, "rank": 3}
        for name, found in (("a", document), ("b\\u0000", {"explained_by": ["a"]})):
            db.execute(text(_FINDING), {"id": name, "document": json.dumps(found)})
        db.execute(text(_JOURNAL))
        db.execute(text(_LOG), {"record": json.dumps(logged(0, accuracy=0.5))})
        db.execute(text(_SERIES), {"digest": _digest()})
        for number in range(3):
            steps = np.arange(100) + 100 * number
            row = {
                "number": number,
                "start": 100 * number,
                "shape": "",
                "first": 100 * number,
                "last": 100 * number + 99,
                "steps": steps.astype("<i8").tobytes(),
                "values": np.sin(steps).astype("<f8").tobytes(),
            }
            db.execute(text(_BLOCK), row)
    engine.dispose()


def _digest() -> str:
    from trema.store.upserting import digest

    return digest(LOSS)


def test_what_the_first_version_wrote_is_read(url: str) -> None:
    first_version(url)
    store = open_store(url)
    heads = {head.id: head for head in store.heads()}
    assert heads["a"].title == HOSTILE[2]
    assert (heads["a"].layer, heads["a"].rank, heads["a"].explained) == ("relu", 3, False)
    assert heads["b\x00"].explained
    assert [finding.id for finding in store.findings("run")] == ["a", "b\x00"]
    values = np.sin(np.arange(300))
    np.testing.assert_array_equal(store.series("run", LOSS).values, values)
    check_window(store.window("run", LOSS, width=10), np.arange(300), values, 10)
    (touch,) = store.touched()
    store.add_run("run", {"name": "changed"})
    assert [later.run for later in store.touched(touch.touched)] == ["run"]
    store.delete_run("run")
    assert store.heads() == []
    store.close()
    again = open_store(url)
    assert [run for run, _ in again.removed()] == ["run"]
    again.close()


def test_what_was_kept_as_an_event_stays_one_and_is_not_read_twice(url: str) -> None:
    first_version(url)
    store = open_store(url)
    old, new = logged(0, accuracy=0.5), logged(1, accuracy=0.75)
    assert store.ingest(Batch(run="run", rank=0, start=0, end=10, records=[old])) == 0
    assert store.ingest(Batch(run="run", rank=0, start=10, end=20, records=[new])) == 1
    assert [(event.kind, event.step) for event in store.events("run")] == [("log", 0)]
    points = store.series("run", SeriesKey(fact="log", name="accuracy"))
    assert (points.steps.tolist(), points.values.tolist()) == ([1], [0.75])
    store.close()
