"""Answers to recommendations, and the file that a session is kept in.

A session belongs to its samples, told by their number, their labels and, where they are known,
their indices in the user's data. What a network made of them is no part of it: answers stay true
when an epoch is added, or when the movie is built anew.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import NotFound, UsageError

_FORMAT = 2


@dataclass(frozen=True)
class Answers:
    """One round of feedback, as sample indices."""

    accepted: tuple[int, ...]
    rejected: tuple[int, ...]
    ignored: tuple[int, ...]

    @property
    def told(self) -> list[int]:
        """All samples of the round."""
        return [*self.accepted, *self.rejected, *self.ignored]


@dataclass(frozen=True)
class Identity:
    """Which samples these are: their number, and digests of labels and indices (None: unknown)."""

    samples: int
    labels: str | None
    indices: str | None

    @classmethod
    def of(
        cls, samples: int, labels: NDArray[np.int64] | None, indices: NDArray[np.int64] | None
    ) -> Identity:
        """The identity of samples in this order."""
        return cls(samples, _digest(labels), _digest(indices))

    def other(self, kept: Mapping[str, Any]) -> str | None:
        """How the samples of a kept session differ from these; None when they are the same."""
        if kept.get("samples") != self.samples:
            return f"{kept.get('samples')} samples and not {self.samples}"
        if kept.get("labels") != self.labels:
            return "samples with other labels"
        known = kept.get("indices")
        if None not in (known, self.indices) and known != self.indices:
            return "samples that stand elsewhere in the data"
        return None


def samples_of(given: Any, what: str) -> tuple[int, ...]:
    """Samples as a caller gives them: a list, array, range or set of whole numbers.

    Raises
    ------
    UsageError
        For anything else; ``3.7``, ``True`` and the characters of a text are no samples.
    """
    try:
        found = [] if isinstance(given, str | bytes) else list(given)
        if any("bool" in str(getattr(one, "dtype", type(one))) for one in found):
            raise UsageError(
                f"{what} must be numbers of samples but got a mask: give np.flatnonzero(mask)"
            )
        if not isinstance(given, str | bytes):
            return tuple(operator.index(one) for one in found)
    except TypeError:
        pass
    raise UsageError(
        f"{what} must be a list of whole numbers, the samples, but got {repr(given)[:60]}"
    )


def write_session(path: Path, identity: Identity, about: Mapping[str, Any]) -> None:
    """Write a session as JSON, whole or not at all.

    Raises
    ------
    UsageError
        When the path is a folder, or lies in none.
    """
    if path.is_dir():
        raise UsageError(
            f"expected a file for the session but {path} is a folder: give {path / 'session.json'}"
        )
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for the session: make it first")
    text = json.dumps({"format": _FORMAT, **asdict(identity), **about})
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_session(path: Path, identity: Identity) -> dict[str, Any]:
    """A kept session of these samples; its ``rounds`` are :class:`Answers`.

    Raises
    ------
    NotFound
        When there is no such file.
    UsageError
        When it is no session, or one on other samples.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"no session in {path}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not a session: it is no JSON") from error
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise UsageError(
            f"{path} is not a session, or of another version of Trema: begin one under another "
            "name (--session on the command line), or delete the file"
        )
    if differs := identity.other(about):
        raise UsageError(
            f"expected a session on these samples but {path} is one on {differs}: begin one under "
            "another name (--session on the command line), or delete the file"
        )
    return {**about, "rounds": _rounds(path, about.get("rounds"), identity.samples)}


def _rounds(path: Path, rounds: Any, samples: int) -> list[Answers]:
    try:
        found = [
            Answers(*(tuple(map(int, one[part])) for part in ("accepted", "rejected", "ignored")))
            for one in rounds
        ]
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path} is damaged: its rounds cannot be read") from None
    told = [sample for answers in found for sample in answers.told]
    if len(set(told)) < len(told) or any(not 0 <= sample < samples for sample in told):
        raise UsageError(f"{path} is damaged: its answers are not on different samples of it")
    return found


def _digest(array: NDArray[np.int64] | None) -> str | None:
    if array is None:
        return None
    whole = np.ascontiguousarray(array, dtype="<i8")
    return hashlib.blake2b(repr(whole.shape).encode() + whole.tobytes(), digest_size=8).hexdigest()
