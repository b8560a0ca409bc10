"""Rules of alerts: what is told to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from trema.core.diagnosis import Severity

KINDS = ("finding", "crashed", "finished")
LEVELS = tuple(map(str, Severity))


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address that takes JSON by POST."""

    url: str = field(repr=False)  # often a secret itself
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """The part of the address that may be shown."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program and its arguments; no shell reads them."""

    argv: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """An e-mail over SMTP; ``password_env`` names the variable that holds the password."""

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    starttls: bool
    user: str | None = None
    password_env: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is told to whom."""

    name: str
    on: tuple[str, ...]
    level: str
    by: Webhook | Command | Mail

    @property
    def way(self) -> str:
        """``webhook``, ``command`` or ``mail``."""
        return type(self.by).__name__.lower()

    def wants(self, severity: str) -> bool:
        """Whether a finding of this severity is told."""
        return severity in LEVELS and LEVELS.index(severity) <= LEVELS.index(self.level)
