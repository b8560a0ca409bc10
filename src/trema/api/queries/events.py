"""Records of the journal as they were written, a page at a time."""

from __future__ import annotations

from collections.abc import Collection

from trema.api.models import EventItem, EventPage
from trema.api.queries.context import Context
from trema.api.queries.plain import encoded

AT_ONCE = 2000
SIZE = 4 * 2**20  # bytes of records in one answer: a single one may have 8 MiB


def read_events(
    context: Context, run: str, kinds: Collection[str], after: int, limit: int
) -> EventPage:
    """Records after a revision, oldest first."""
    found = context.store.events(
        run, kinds=kinds or None, after=after, limit=max(1, min(limit, AT_ONCE)), size=SIZE
    )
    return EventPage(
        events=[
            EventItem(
                revision=event.revision,
                rank=event.rank,
                segment=event.segment,
                kind=event.kind,
                step=event.step,
                record=encoded(event.record),
            )
            for event in found
        ],
        next=found[-1].revision if found else after,
    )
