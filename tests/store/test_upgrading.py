"""A database that an older version wrote is brought up to date with all that is in it."""

import json
from pathlib import Path

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from trema.store import migrations, open_store
from trema.store.connecting import open_engine, writing
from trema.testing.feeding import HOSTILE, LOSS
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
