"""A part of a run: takes in facts and runs the checks on what is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trema.checks.base import Check
from trema.core.diagnosis import Diagnosis, Kind
from trema.core.facts import VALIDATION, Observation, Phase, RunInfo, Snapshot, TensorSeen
from trema.core.history import History
from trema.core.numbers import short_list
from trema.engine.placing import with_setting
from trema.engine.schedule import LEAST_STEPS, Schedule, mark

if TYPE_CHECKING:
    from trema.engine.session import Session

#: Observed training steps after which the checks run; then every 32nd observed step.
_ASSESS_AT = frozenset({1, 2, 4, 8, 16, 32, 64})
_ASSESS_EVERY = 32
#: Segments whose first steps are observed whatever they cost: two or three networks that are
#: trained in turns, not the hundredth fit of a search.
_FIRST_SEGMENTS = 3


class Segment:
    """A part of a run with its own model, optimizer and history."""

    def __init__(self, session: Session, number: int, info: RunInfo) -> None:
        config = session.config
        spent = sum(other.schedule.busy_seconds for other in session.segments)
        self.session = session
        self.number = number
        self.info = info
        self.history = History(info)
        self.schedule: Schedule = Schedule(
            overhead=config.overhead,
            free_steps=config.free_steps,
            free_seconds=max(0.0, config.free_seconds - spent),
            # a loop of many short fits would else be observed at every step
            least_steps=LEAST_STEPS if number < _FIRST_SEGMENTS else 0,
        )
        self.steps = 0
        self.epochs = 0
        self.closed = False
        self._recorded = 0
        session.write("info", segment=number, info=dataclasses.asdict(info))

    def update(self, **changes: Any) -> None:
        """Replace fields of what is known about the run."""
        stated = {key: getattr(self.info, key) for key in self.info.stated}
        self.info = dataclasses.replace(self.info, **{**changes, **stated})
        self.history.run = self.info
        self.session.write("info", segment=self.number, info=dataclasses.asdict(self.info))

    def record(self, snapshot: Snapshot) -> None:
        """Take in what was seen at one step."""
        self.history.add(snapshot)
        values: dict[str, dict[str, Any]] = {}
        for (fact, name), value in snapshot.values.items():
            short = short_list(value) if isinstance(value, np.ndarray) else value
            values.setdefault(fact, {})[name] = short
        journal = self.session.journal
        if journal is not None:
            self.session.write(
                "facts",
                step=snapshot.step,
                segment=self.number,
                important=False,
                epoch=snapshot.epoch,
                phase=snapshot.phase,
                values=values,
            )
            if journal.crowded and self.schedule.thin == 1:
                self.schedule.thin = 8
                self.session.notes.append("the journal nears its limit: fewer steps are observed")
        if snapshot.phase == VALIDATION:
            return
        self.steps = max(self.steps, snapshot.step + 1)
        self._recorded += 1
        due = self._recorded in _ASSESS_AT or self._recorded % _ASSESS_EVERY == 0
        if due and self.schedule.may_look:
            self.assess()

    def seen(self, tensor: TensorSeen) -> None:
        """Note a form in which a tensor of the batch came."""
        before = len(self.history.tensors(tensor.role, tensor.phase))
        self.history.add_tensor(tensor)
        if len(self.history.tensors(tensor.role, tensor.phase)) > before:
            fields = dataclasses.asdict(tensor)
            del fields["step"]
            self.session.write("tensor", step=tensor.step, segment=self.number, **fields)

    def observe(self, observation: Observation) -> None:
        """Take in what the instrumentation found out, and judge at once."""
        self.history.add_observation(observation)
        self.session.write(
            "observation",
            step=observation.step,
            segment=self.number,
            fact=str(observation.fact),
            epoch=observation.epoch,
            data=observation.data,
        )
        self.assess()

    def metrics(
        self, epoch: int, phase: Phase, values: Mapping[str, float], *, step: int | None = None
    ) -> None:
        """Take in the metrics of an epoch in one phase."""
        self.history.add_metrics(epoch, phase, values)
        self.session.write(
            "metrics",
            step=step,
            segment=self.number,
            epoch=epoch,
            phase=phase,
            values=dict(values),
        )

    def end_epoch(self, epoch: int) -> None:
        """An epoch is over: its metrics are in, the checks look again."""
        self.epochs = max(self.epochs, epoch + 1)
        self.history.epochs_finished = self.epochs
        self.history.epoch = max(self.history.epoch, epoch)  # perhaps without a sampled step
        self.session.write("epoch", step=self.steps - 1, segment=self.number, epoch=epoch)
        if self.schedule.may_look:
            self.assess()
        self.session.refresh(self.number, epoch)

    def close(self) -> None:
        """The segment is over; a last look."""
        if not self.closed:
            self.closed = self.history.finished = True
            self.assess()

    def missing(self, check: Check) -> list[str]:
        """The facts a check misses in this segment."""
        return self.session.guarded(check.id, lambda: check.missing(self.history)) or []

    def assess(self) -> None:
        """Run every check on what is known now."""
        begun = mark()
        history = self.history
        good = self.session.guarded("baseline", history.beats_baseline)
        before = self.steps == 0
        step = None if before else self.steps - 1
        epoch = None if before else history.epoch
        for check_id, check in self.session.checks.items():
            if check_id in self.session.failed_checks:
                continue
            try:
                found = self._diagnose(check, good is True)
            except Exception as error:
                self.session.failed(check_id, error)
                continue
            self._take(check_id, found, step, epoch)
        self.schedule.looked(*begun.passed())

    def _diagnose(self, check: Check, good: bool) -> list[Diagnosis]:
        if check.missing(self.history) or (check.kind is Kind.SYMPTOM and good):
            return []
        return list(check.diagnose(self.history))

    def _take(
        self, check: str, found: list[Diagnosis], step: int | None, epoch: int | None
    ) -> None:
        found = [with_setting(diagnosis) for diagnosis in found]
        new, changed, gone = self.session.findings.update(check, self.number, found, step, epoch)
        for finding in [*new, *changed]:
            self.session.tell(finding)
        for finding in gone:
            self.session.tell(finding, gone=True)
