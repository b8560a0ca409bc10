"""What people did, folded and kept up to date; nobody else reads actions."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from trema.journal.user import UserMute, UserState, fold
from trema.store.base import Action, Store


@dataclass(frozen=True)
class PeopleView:
    """What all actions come to at one time.

    number : of the last action; whoever has seen it has seen all before
    """

    state: UserState = field(default_factory=UserState)
    number: int = 0
    _own: Counter[str | None] = field(default_factory=Counter)

    def changes(self, run: str) -> int:
        """How many actions concern a run, those on the project among them; only grows."""
        return self._own[run] + self._own[None]

    def mute_of(self, run: str, check: str, finding: str) -> UserMute | None:
        """The mute that silences a finding."""
        return self.state.mute_of(run, check, finding)


class People:
    """Reads the actions that are new, whenever asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._actions: list[Action] = []
        self._view = PeopleView()

    def view(self) -> PeopleView:
        """What all actions come to now."""
        with self._lock:
            new = self._store.actions(after=self._view.number)
            if new:
                self._actions += new
                self._view = PeopleView(
                    fold(self._actions),
                    max(action.number for action in new),
                    Counter(action.run for action in self._actions),
                )
            return self._view
