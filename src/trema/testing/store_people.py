"""The part of a store's contract about actions, tokens and claims."""

from __future__ import annotations

import dataclasses
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from trema.core.errors import UsageError
from trema.store.base import Action, Store, Token
from trema.testing.feeding import HOSTILE


class PeopleContract:
    """What every store keeps of what people did."""

    def test_an_action_is_known_by_its_id(self, store: Store) -> None:
        data = {"check": "dead-units", "reason": HOSTILE[2], "limit": math.inf}
        assert store.add_action("a", time=2.5, kind="mute", run="run", data=data)
        assert not store.add_action("a", time=3.0, kind="tags", run=None, data={})
        assert store.add_action("b", time=1.0, kind="unmute", run=None, data={"mute": "a"})
        first, second = store.actions()
        kept = {**data, "limit": "inf"}
        assert first == Action(
            number=first.number, id="a", time=2.5, kind="mute", run="run", data=kept
        )
        assert (second.id, second.run, second.data) == ("b", None, {"mute": "a"})
        assert store.actions(after=first.number) == [second]
        assert store.actions(after=second.number) == []

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_actions(self, store: Store, name: str) -> None:
        assert store.add_action(name, time=0.0, kind=name, run=name, data={name: name})
        (action,) = store.actions()
        assert (action.id, action.kind, action.run) == (name, name, name)
        assert action.data == {name: name}

    def test_an_action_needs_an_id(self, store: Store) -> None:
        for bad in ("", "x" * 256):
            with pytest.raises(UsageError, match="1 to 255"):
                store.add_action(bad, time=0.0, kind="mute", run=None, data={})
            with pytest.raises(UsageError, match="1 to 255"):
                store.add_action("a", time=0.0, kind="mute", run=bad, data={})
        assert store.actions() == []

    def test_a_reader_misses_no_action_of_many_writers(self, store: Store) -> None:
        done = threading.Event()
        seen: list[Action] = []

        def follow() -> None:
            while True:
                last = done.is_set()
                seen.extend(store.actions(after=seen[-1].number if seen else 0))
                if last:
                    return

        def act(number: int) -> bool:
            return store.add_action(str(number % 50), time=0.0, kind="tags", run=None, data={})

        reader = threading.Thread(target=follow)
        reader.start()
        with ThreadPoolExecutor(8) as pool:
            added = sum(pool.map(act, range(100)))
        done.set()
        reader.join()
        assert added == 50
        assert seen == store.actions()
        assert {action.id for action in seen} == {str(number) for number in range(50)}

    def test_tokens_are_kept_and_taken_back(self, store: Store) -> None:
        one = Token(id="1", name=HOSTILE[2], scope="write", created=2.0)
        two = Token(id="2", name="two", scope="read", created=1.0)
        store.add_token(one, "digest one")
        store.add_token(two, "digest two")
        assert store.token("digest one") == one
        assert store.token("digest") is None
        assert store.tokens() == [two, one]
        assert store.revoke_token("1")
        assert not store.revoke_token("1")
        assert not store.revoke_token("none")
        revoked = store.token("digest one")
        assert revoked is not None
        assert revoked.revoked is not None
        assert abs(revoked.revoked - store.now() / 1e6) < 60
        assert store.token("digest two") == two
        for taken, digest in ((two, "new"), (dataclasses.replace(two, id="3"), "digest two")):
            with pytest.raises(UsageError, match="taken"):
                store.add_token(taken, digest)
        with pytest.raises(UsageError, match="read or write"):
            store.add_token(dataclasses.replace(two, id="3", scope="all"), "new")

    def test_a_claim_is_granted_once(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            granted = list(pool.map(lambda number: store.claim(f"k{number % 10}"), range(80)))
        assert sum(granted) == 10
        assert not store.claim("k0")
        assert store.claim("x" * 10_000)
        assert not store.claim("x" * 10_000)
        for name in HOSTILE:
            assert store.claim(name)
