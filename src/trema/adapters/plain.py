"""Any other loop: JAX, NumPy, scikit-learn. ``run = trema.start()``, ``run.log(loss=…)``.

A value logged as ``val_…`` belongs to validation, everything else to training. Inside the loop
nothing raises: what cannot be read as a number is noted and left out.
"""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Any

from trema.adapters.wiring import wire
from trema.core.config import disabled
from trema.core.errors import UsageError
from trema.core.facts import TRAIN, VALIDATION, Fact, Phase, Place, RunInfo, Snapshot
from trema.core.numbers import dumps, number_word
from trema.engine import active
from trema.engine.session import Segment, Session
from trema.source.frames import call_site

_LOSS = (Fact.LOSS, "")
#: Calls after which the checks run; later they run as often as the time budget allows.
_ASSESS_AT = frozenset({1, 2, 4, 8, 16, 32})
_CLOCK_EVERY = 64  # calls between looks at the clock


class Run:
    """A run that is told about by hand.

    Epochs: after each ``epoch()``; without any, each call with a ``val_…`` value ends one.
    """

    def __init__(self, session: Session | None) -> None:
        self._session = session
        self._segment: Segment | None = None
        self._step = -1
        self._epoch = 0
        self._calls = 0
        self._marked = False  # epoch() was called: it alone ends epochs
        self._sums: dict[str, tuple[float, int]] = {}
        self._validation: dict[str, float] = {}
        self._keys: dict[str, str] = {}  # metric name -> JSON key with colon
        self._next_assessment = 0.0
        self._told_bad_loss = False

    @property
    def name(self) -> str:
        """The run's name; empty when Trema is switched off."""
        return self._session.name if self._session is not None else ""

    def log(self, *, step: int | None = None, **metrics: Any) -> None:
        """Values of one step; ``loss`` is the training loss, ``val_…`` belongs to validation."""
        session = self._session
        if session is None or session.state != "running":
            return
        try:
            self._log(session, step, metrics)
        except Exception as error:
            self._failed(session, error)

    def epoch(self) -> None:
        """The epoch is over: metrics of it are means in training, last values in validation."""
        self._marked = True
        self._flush()

    def finish(self) -> dict[str, Any] | None:
        """End the run now; returns the findings document."""
        if self._session is None:
            return None
        if self._marked:
            self._flush()
        session, self._session = self._session, None
        if session.state != "running":
            return session.guarded("finish", session.document)
        return active.finish()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()  # after an error the end of the process tells the state

    # the hot path -------------------------------------------------------------------------

    def _log(self, session: Session, step: int | None, metrics: dict[str, Any]) -> None:
        segment = self._segment or self._open(session)
        number = self._step + 1 if step is None else self._whole(session, step)
        self._step = number
        self._calls += 1
        segment.steps = max(segment.steps, number + 1)
        texts: list[str] = []
        validated = False
        for name, given in metrics.items():
            value = given if type(given) is float else _number(given)
            if value is None:
                self._note(session, f"{name!r} was left out: {type(given).__name__} is no number")
                continue
            key = self._keys.get(name) or self._key(name)
            texts.append(
                f"{key}{value!r}" if math.isfinite(value) else f'{key}"{number_word(value)}"'
            )
            if name.startswith("val_"):
                self._validation[name[4:]] = value
                validated = True
            else:
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + value, count + 1)
        self._write(session, segment, number, texts)
        loss = metrics.get("loss")
        if loss is not None:
            self._take_loss(segment, number, loss)
        if validated and not self._marked:
            self._flush()
        elif self._calls in _ASSESS_AT or self._calls % _CLOCK_EVERY == 0:
            self._assess(segment)

    def _write(self, session: Session, segment: Segment, step: int, texts: list[str]) -> None:
        journal = session.journal
        if journal is not None:
            journal.write_line(
                f'{{"v":1,"t":{time.time():.6f},"kind":"log","step":{step},'
                f'"segment":{segment.number},"rank":{session.rank},"epoch":{self._epoch},'
                f'"values":{{{",".join(texts)}}}}}',
                important=False,
            )

    def _take_loss(self, segment: Segment, step: int, given: Any) -> None:
        loss = given if type(given) is float else _number(given)
        if loss is None:
            return
        segment.history.add(
            Snapshot(step=step, epoch=self._epoch, phase=TRAIN, values={_LOSS: loss})
        )
        if not self._told_bad_loss and not math.isfinite(loss):
            self._told_bad_loss = True  # a non-finite loss is told at once
            segment.assess()

    # the slow path ------------------------------------------------------------------------

    def _open(self, session: Session) -> Segment:
        site = call_site()
        location = site.resolve() if site is not None else None
        places = (
            (Place(role="loop", location=location), Place(role="step", location=location))
            if location is not None
            else ()
        )
        self._segment = session.open_segment(RunInfo(framework="other", places=places))
        return self._segment

    def _assess(self, segment: Segment) -> None:
        """Run the checks, but not so often that they take more than the overhead allowed."""
        started = time.perf_counter()
        if started < self._next_assessment and self._calls not in _ASSESS_AT:
            return
        segment.assess()
        ended = time.perf_counter()
        self._next_assessment = ended + (ended - started) / segment.session.config.overhead

    def _flush(self) -> None:
        session, segment = self._session, self._segment
        if session is None or segment is None or not (self._sums or self._validation):
            return
        means = {name: total / count for name, (total, count) in self._sums.items()}
        phases: tuple[tuple[Phase, dict[str, float]], ...] = (
            (TRAIN, means),
            (VALIDATION, self._validation),
        )
        self._sums, self._validation = {}, {}
        try:
            for phase, values in phases:
                if values:
                    segment.metrics(self._epoch, phase, values, step=self._step)
            segment.end_epoch(self._epoch)
        except Exception as error:
            self._failed(session, error)
        self._epoch += 1

    def _key(self, name: str) -> str:
        self._keys[name] = key = f"{dumps(name)}:"
        return key

    def _whole(self, session: Session, step: Any) -> int:
        if type(step) is int and step >= 0:
            return step
        number = _number(step)
        if number is None or not math.isfinite(number) or number < 0:
            self._note(session, f"a step was counted on: {step!r:.80} is no step")
            return self._step + 1
        return int(number)

    def _note(self, session: Session, text: str) -> None:
        if text not in session.notes and len(session.notes) < 20:
            session.notes.append(text)

    def _failed(self, session: Session, error: Exception) -> None:
        if session.config.strict:
            raise error
        session.failed("trema.start", error)


def start(name: str | None = None, **options: Any) -> Run:
    """A run for any loop; it ends with ``finish()`` or with the process.

    Parameters
    ----------
    name : default: the script's
    options : settings of :class:`trema.Config`

    Raises
    ------
    UnknownOption
        For an option that does not exist.
    """
    if name is not None and not isinstance(name, str):
        raise UsageError(f"name must be a string but got {name!r:.80}: trema.start('my-run')")
    wire()
    if disabled():
        return Run(None)
    return Run(active.start(name, **options))


def _number(value: Any) -> float | None:
    """The value as a float; None for what is no single number."""
    if isinstance(value, str | bytes) or value is None:
        return None
    try:
        return float(value)
    except Exception:  # arrays of frameworks raise what they like
        return None
