"""What people did, who may come in, and what was done once: no part of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, text, update
from sqlalchemy.exc import IntegrityError

from trema.core.errors import UsageError
from trema.store.base import Action, Token
from trema.store.clock import later, now
from trema.store.connecting import reading, writing
from trema.store.database import Database
from trema.store.records import WORD_LIMIT, to_text, word
from trema.store.schema import actions, claims, runs, tokens
from trema.store.upserting import short_name, upsert

#: An arbitrary number that names our lock among all advisory locks of a PostgreSQL database.
_LOCK = 7_236_341_590_112_349
_SCOPES = ("read", "write")


class People(Database):
    """Actions, tokens and claims of a store."""

    def add_action(
        self, id: str, *, time: float, kind: str, run: str | None, data: Mapping[str, Any]
    ) -> bool:
        """Record what a person did; False when an action of this id is known."""
        _check_word("an action's id", id)
        if run is not None:
            _check_word("a run id", run)
        new = {"id": id, "time": time, "kind": word(kind), "run": run, "data": to_text(data)}
        with writing(self._engine) as db:
            _one_at_a_time(db)
            known = db.execute(select(actions.c.number).where(actions.c.id == id)).first()
            if known is not None:
                return False
            db.execute(actions.insert(), [new])
            touched = {"touched": later(db.dialect.name, runs.c.touched)}
            db.execute(update(runs).where(runs.c.id == run).values(**touched))
            return True

    def actions(self, *, after: int = 0) -> list[Action]:
        """Actions after a number; whoever has seen all up to n misses nothing by asking so."""
        query = select(actions).where(actions.c.number > after).order_by(actions.c.number)
        with reading(self._engine) as db:
            return [
                Action(**{**row._mapping, "data": json.loads(row.data)})
                for row in db.execute(query)
            ]

    def add_token(self, token: Token, digest: str) -> None:
        """Keep a token by the digest of its secret."""
        if token.scope not in _SCOPES:
            raise UsageError(f"expected the scope read or write but got {token.scope!r}")
        _check_word("a token's id", token.id)
        _check_word("a token's digest", digest)
        new = {name: getattr(token, name) for name in ("id", "name", "scope", "created", "revoked")}
        try:
            with writing(self._engine) as db:
                db.execute(tokens.insert(), [{**new, "digest": digest}])
        except IntegrityError as error:
            raise UsageError(f"expected a new token but {token.id!r} is taken") from error

    def token(self, digest: str) -> Token | None:
        """The token of this digest, also a revoked one."""
        with reading(self._engine) as db:
            row = db.execute(select(tokens).where(tokens.c.digest == digest)).one_or_none()
        return None if row is None else _token(row)

    def tokens(self) -> list[Token]:
        """All tokens, oldest first."""
        with reading(self._engine) as db:
            query = select(tokens).order_by(tokens.c.created, tokens.c.id)
            return [_token(row) for row in db.execute(query)]

    def revoke_token(self, id: str) -> bool:
        """Take a token out of force; False when it is unknown or was revoked before."""
        with writing(self._engine) as db:
            in_force = (tokens.c.id == id) & tokens.c.revoked.is_(None)
            done = db.execute(
                update(tokens).where(in_force).values(revoked=now(db.dialect.name) / 1e6)
            )
            return done.rowcount == 1

    def claim(self, key: str) -> bool:
        """True for exactly one caller ever, over all processes."""
        mark = short_name([key])
        with reading(self._engine) as db:
            if db.execute(select(claims.c.time).where(claims.c.digest == mark)).first():
                return False
        with writing(self._engine) as db:
            time = db.execute(select(now(db.dialect.name))).scalar_one()
            return upsert(db, claims, [{"digest": mark, "time": time}], ["digest"]) == 1


def _check_word(what: str, value: str) -> None:
    if not 0 < len(value) <= WORD_LIMIT:
        raise UsageError(f"expected {what} of 1 to {WORD_LIMIT} characters but got {len(value)}")


def _one_at_a_time(db: Connection) -> None:
    """Let actions become visible in the order of their numbers."""
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id, name=row.name, scope=row.scope, created=row.created, revoked=row.revoked
    )
