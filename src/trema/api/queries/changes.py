"""What changed since a cursor, for pages that follow the server.

A cursor holds the time of the database and the number of the last action by a person. A change can
become visible some seconds after its time, so a stretch before the cursor is told again each
time: a client compares revisions and passes over what it has.
"""

from __future__ import annotations

import re

from trema.api.models import Changes, RunChange
from trema.api.queries.context import Context
from trema.api.queries.plain import text
from trema.api.queries.rows import OVERLAP, Rows, revision_of
from trema.store.base import Touch

_CURSOR = re.compile(r"([0-9]{1,16})-([0-9]{1,16})")


def changes_since(context: Context, rows: Rows, cursor: str | None) -> Changes:
    """What changed; with a cursor that is missing or not one of ours, all may have."""
    store = context.store
    now = store.now()  # before anything is read: what comes later is told next time
    view = context.people.view()
    new, place = f"{now}-{view.number}", _CURSOR.fullmatch(cursor or "")
    if place is None or int(place[1]) > now + OVERLAP or int(place[2]) > view.number:
        return Changes(cursor=new, runs=[], removed=[], all=True)
    since, number = max(0, int(place[1]) - OVERLAP), int(place[2])
    touched = store.touched(since)
    if touched:
        rows.entries()  # brings them up to date
    here = {touch.run for touch in touched}
    actions = store.actions(after=number) if view.number > number else []
    return Changes(
        cursor=new,
        runs=[_change(context, rows, touch) for touch in touched],
        removed=[text(run) for run, _ in store.removed(since) if run not in here],
        all=any(action.run is None for action in actions),  # the others touched their runs
    )


def _change(context: Context, rows: Rows, touch: Touch) -> RunChange:
    entry = rows.find(touch.run)
    if entry is None:
        return RunChange(id=text(touch.run), revision=touch.touched, state=text(touch.state))
    return RunChange(
        id=text(touch.run),
        revision=revision_of(entry, context.people.view()),
        state=text(context.state_of(entry.run)),
    )
