"""Who may do what: the token of a local server, and the tokens that a team server keeps.

A token is 256 random bits, so nobody guesses one and its SHA-256 cannot be turned back; a slow hash
such as bcrypt protects passwords that people choose, and here it would only slow each request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from trema.core.errors import UsageError
from trema.store.base import Token

if TYPE_CHECKING:
    from trema.store.base import Store

Scope = Literal["read", "write"]
CALLER = "trema.caller"  # key in the scope of a request that was let through
#: Seconds for which a token that the store knows is not asked for again: how long one that was
#: revoked still works.
TRUST = 1.0
_KEPT = 1024  # tokens
_LONGEST = 512  # characters that are worth hashing


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    key : tells clients apart, for their limits
    """

    key: str
    scope: Scope


class Access(Protocol):
    """What knows which tokens are good."""

    def caller(self, token: str) -> Caller | None:
        """Who holds this token; None when it is not good. May wait for the database."""

    def known(self, token: str) -> Caller | None:
        """Who holds this token, when that can be told without waiting."""

    def remembers(self, token: str) -> bool:
        """Whether this token was good before; never waits."""


def new_token() -> str:
    """A fresh token: 256 random bits in letters that need no escape in an address."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class OneToken:
    """The token of a local server, made when it starts."""

    def __init__(self, token: str) -> None:
        self._digest = digest(token)

    def caller(self, token: str) -> Caller | None:
        """Whoever holds the token may do everything."""
        # compared as digests, in a time that tells nothing about how much of it is right
        good = len(token) <= _LONGEST and hmac.compare_digest(digest(token), self._digest)
        return Caller("local", "write") if good else None

    def known(self, token: str) -> Caller | None:
        """As good as asking."""
        return self.caller(token)

    def remembers(self, token: str) -> bool:
        """As good as asking."""
        return self.caller(token) is not None


class StoredTokens:
    """The tokens in a store; each can be revoked alone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    def caller(self, token: str) -> Caller | None:
        """Who holds the token, as the store has it."""
        if len(token) > _LONGEST:
            return None
        mark, now = digest(token), time.monotonic()
        found = self._store.token(mark)  # by its digest, so time tells nothing about the token
        if found is None or found.revoked is not None:
            self._known.pop(mark, None)
            return None
        caller = Caller(found.id, "write" if found.scope == "write" else "read")
        self._known[mark] = caller, now
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return caller

    def known(self, token: str) -> Caller | None:
        """Who holds it, when the store said so less than a second ago."""
        if len(token) > _LONGEST:
            return None
        caller, since = self._known.get(digest(token), (None, -TRUST))
        return caller if time.monotonic() - since < TRUST else None

    def remembers(self, token: str) -> bool:
        """Whether it was good when it was last asked for."""
        return len(token) <= _LONGEST and digest(token) in self._known


def create_token(store: Store, name: str, *, scope: Scope = "read") -> tuple[Token, str]:
    """A new token in the store, and its text, which is kept nowhere.

    Raises
    ------
    UsageError
        When the name is empty or too long.
    """
    name = name.strip()
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise UsageError(
            f"a token needs a name of 1 to 100 printable characters but got {name[:100]!r}"
        )
    text = new_token()
    token = Token(
        id=secrets.token_hex(4), name=name, scope=scope, created=time.time(), revoked=None
    )
    store.add_token(token, digest(text))
    return token, text


def bearer(header: bytes | None) -> str | None:
    """The token in an ``Authorization`` header."""
    scheme, _, token = (header or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        return None
    return token.strip().decode("latin-1")
