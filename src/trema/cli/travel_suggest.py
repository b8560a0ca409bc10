"""``trema travel suggest``: rounds of recommendations and answers on the terminal."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trema.cli.travel import Opened, Wanted, aside, line, open_movie, told
from trema.core.errors import UsageError
from trema.core.numbers import dumps
from trema.core.text import harmless
from trema.travel.recommend import Session, suggest

_HELP = """  a 3 7 12-15   accept these samples (or: a all, or: a FILE)
  r 4 9         reject these samples
  Enter         send the answers; the rest is left without one, and the next come
  undo          take back what is not sent yet, or else the last round
  q             end; everything is kept"""


#: A sample or a range of them, perhaps of a split.
_NAMED = re.compile(r"(?:(\w[\w-]*):)?(\d{1,12})(?:-(\d{1,12}))?")


@dataclass(frozen=True)
class Answers:
    """What the command line itself answers; the loop on the terminal is for the rest."""

    accept: str | None
    reject: str | None
    undo: bool

    @property
    def given(self) -> bool:
        return self.undo or self.accept is not None or self.reject is not None


class Round:
    """The samples of one round and what is said of them."""

    def __init__(self, opened: Opened, session: Session, count: int) -> None:
        self.opened = opened
        self.session = session
        self.places = session.next(count).tolist()
        self.accepted: list[int] = []
        self.rejected: list[int] = []

    def rows(self) -> list[dict[str, Any]]:
        """The samples with the reasons for them."""
        return [
            {**told(self.opened, place), "reason": self.session.reason(place)}
            for place in self.places
        ]

    def answer(self, accept: bool, words: str) -> None:
        """Note an answer; a later one on the same sample counts."""
        ours, other = self.accepted, self.rejected
        if not accept:
            ours, other = other, ours
        chosen = self.places if words.strip() == "all" else places_of(self.opened, words)
        for place in chosen:
            if place in other:
                other.remove(place)
            if place not in ours:
                ours.append(place)

    @property
    def pending(self) -> str:
        """The answers that are not sent yet, in words; empty when there are none."""
        told = [(len(self.accepted), "accepted"), (len(self.rejected), "rejected")]
        return ", ".join(f"{count} {what}" for count, what in told if count)

    def take_back(self) -> None:
        """Forget the answers that are not sent yet."""
        self.accepted.clear()
        self.rejected.clear()

    def send(self) -> None:
        """Teach the session; what was shown and not answered is left alone from now on."""
        known = {*self.accepted, *self.rejected}
        left = [place for place in self.places if place not in known]
        self.session.feedback(self.accepted, self.rejected, left)


def suggest_samples(
    wanted: Wanted,
    answers: Answers,
    *,
    count: int,
    intention: str | None,
    session: str,
    as_json: bool,
) -> None:
    """Recommend samples of a run; answers are kept under the session's name.

    Raises
    ------
    UsageError
        When a sample or the session's name cannot be.
    """
    if not re.fullmatch(r"\w[\w-]{0,60}", session):
        raise UsageError(f"a session's name must be a word but is {session!r}")
    opened = open_movie(wanted)
    _hint_at_labels(opened)
    folder = opened.split.replace(",", "+")
    path = opened.recording.folder / "sessions" / folder / f"{session}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path if path.is_file() else None
    search = suggest(
        opened.movie,
        opened.logits,
        opened.labels,
        intention=intention,
        kind=opened.recording.kind,
        indices=opened.indices,
        saved=kept,
    )
    if answers.undo:
        search.undo()
    if answers.accept is not None or answers.reject is not None:
        search.feedback(
            places_of(opened, answers.accept or ""), places_of(opened, answers.reject or "")
        )
    search.save(path)
    if as_json:
        now = Round(opened, search, count)
        about = {
            "session": session,
            "intention": search.intention,
            "accepted": opened.named(search.accepted),
            "rejected": opened.named(search.rejected),
            "samples": now.rows(),
        }
        print(dumps(about, indent=2))
    elif answers.given:
        show(Round(opened, search, count))
    else:
        ask(opened, search, path, count)


def _hint_at_labels(opened: Opened) -> None:
    """A pool by itself has no labelled neighbours to be compared with."""
    if opened.labels is not None and (opened.labels >= 0).any():
        return
    others = [name for name in opened.recording.splits if opened.recording.labels(name) is not None]
    if others:
        aside(
            f"no sample of {opened.split} has a label: --split {others[0]},{opened.split} searches "
            "them beside labelled neighbours"
        )


def show(now: Round) -> None:
    """Print a round."""
    search, rounds = now.session, len(now.session.rounds)
    print(
        f"{search.intention}: {len(search.accepted)} accepted, {len(search.rejected)} rejected "
        f"in {rounds} {'round' if rounds == 1 else 'rounds'}"
    )
    for row in now.rows():
        print(f"  {line(row)}: {harmless(row['reason'])}")
    if not now.places:
        print("  no sample is left")


def ask(opened: Opened, search: Session, path: Path, count: int) -> None:
    """Rounds until the end of the input; each is kept as soon as it is sent."""
    now = Round(opened, search, count)
    show(now)
    print(_HELP)
    while now.places:
        word, _, rest = _read().partition(" ")
        try:
            if word in ("a", "accept", "r", "reject"):
                now.answer(word[0] == "a", rest)
                print(f"  not sent yet: {now.pending or 'nothing'}")
                continue
            if word in ("q", "quit"):
                break
            if word == "undo" and now.pending:
                print(f"  taken back, never sent: {now.pending}")
                now.take_back()
                continue
            if word == "undo":
                search.undo()
            elif word == "":
                now.send()
            else:
                print(_HELP)
                continue
        except UsageError as error:
            print(f"  {error}")
            continue
        search.save(path)
        now = Round(opened, search, count)
        show(now)
    if now.accepted or now.rejected:  # answers that were not sent yet are not lost
        search.feedback(now.accepted, now.rejected)
        search.save(path)
    print(f"kept in {harmless(path)}")


def _read() -> str:
    if sys.stdin.isatty():
        print("answer> ", end="", flush=True)
    text = sys.stdin.readline()
    return text.strip() if text else "q"


def places_of(opened: Opened, words: str) -> list[int]:
    """Places in the movie of samples named by their index in the user's data.

    words : numbers and ranges such as ``3 7,12-15``, with the split before them where the movie
        holds several (``unlabelled:3``), or a file that holds them

    Raises
    ------
    UsageError
        For what is no number, no sample of the movie, or one of several splits.
    """
    text = words.strip()
    if not all(_NAMED.fullmatch(part) for part in _parts(text)):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"{text!r} is neither a list of samples nor a file of them") from None
    found: list[int] = []
    for part in _parts(text):
        match = _NAMED.fullmatch(part)
        if match is None:
            raise UsageError(f"expected numbers of samples but got {part!r}")
        first, last = int(match[2]), int(match[3] or match[2])
        if first > last:
            raise UsageError(f"the range {part} runs backwards: give {last}-{first}")
        inside = (opened.indices >= first) & (opened.indices <= last)
        if match[1]:
            names = opened.splits if opened.splits is not None else np.array([opened.split])
            inside &= names == match[1]
        elif opened.splits is not None and len(set(opened.splits[inside].tolist())) > 1:
            raise UsageError(
                f"sample {part} is in several splits: say which, as in {opened.splits[0]}:{part}"
            )
        if not inside.any():
            raise UsageError(f"there is no sample {part} in the movie")
        found += np.flatnonzero(inside).tolist()
    return list(dict.fromkeys(found))


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,;]+", text.strip()) if part]
