"""Time travel beside a watched training: passes at the ends of epochs, timed apart.

A recording that is refused or fails is noted once and goes no further; the training goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from trema.core.errors import TremaError
from trema.core.text import harmless
from trema.engine.session import Session
from trema.travel.record.files import FOLDER
from trema.travel.record.options import RecordOptions
from trema.travel.record.passing import Pass, recorder_of
from trema.travel.record.schedule import Schedule
from trema.travel.record.writer import Recorder


class Following:
    """Records one training.

    Parameters
    ----------
    session : of the run
    make : the passes over the network; called after the first step, when all layers are built
    options : of the recording
    planned : epochs that the training will have, when that is known
    """

    def __init__(
        self,
        session: Session,
        make: Callable[[], Pass],
        options: RecordOptions,
        planned: int | None = None,
    ) -> None:
        self._session = session
        self._make = make
        self._planned = planned
        self._schedule = Schedule(options.schedule)
        self._passes: Pass | None = None
        self._recorder: Recorder | None = None
        self._ended = -1  # the epoch that ended last …
        self._kept = True  # … and whether it was recorded
        self._moved = False  # a step was made since
        self._over = session.rank != 0 or session.folder is None
        session.before_crash.append(self.stop)

    def begin(self) -> None:
        """All layers are built: tell what will be recorded."""
        if not self._over:
            self._guarded(self._begin)

    def stepped(self, step: int | None = None) -> None:
        """The optimizer made this step, counted from 0; None when it made some, as in an epoch."""
        self._moved = True
        if self._over or (self._recorder is not None and self._schedule.unit != "step"):
            return
        self._guarded(self._begin)
        if step is not None and self._schedule.unit == "step" and self._schedule.due(step):
            self._guarded(lambda: self._record(step))

    def epoch_over(self, epoch: int) -> None:
        """This epoch ended; what is told twice counts once."""
        if self._over or epoch == self._ended or not self._moved:
            return
        self._ended, self._moved = epoch, False
        self._kept = self._schedule.unit == "step" or self._schedule.due(epoch)
        if self._kept and self._schedule.unit == "epoch":
            self._guarded(lambda: self._record(epoch))

    def close(self) -> None:
        """The training is over: its last epoch is recorded whatever the schedule says."""
        if not self._over and not self._kept and not self._moved:
            self._guarded(lambda: self._record(self._ended))
        recorder = self._recorder
        if recorder is not None and recorder.recorded and not self._over:
            count, bad = len(recorder.recorded), recorder.nonfinite
            lost = ""
            if bad:
                most = max(bad.values())
                samples = "sample" if most == 1 else "samples"
                lost = f" (up to {most:,} {samples} not finite in {len(bad)} of them)"
            self._session.notes.append(
                f"time travel: {count} {'frame' if count == 1 else 'frames'} recorded{lost}, "
                f"{recorder.seconds:.1f} s of forward passes beside the training; "
                "trema travel suggest says which samples to look at"
            )
        self.stop()

    def stop(self) -> None:
        """Record no more."""
        self._over = True
        self._passes = None

    def _begin(self) -> None:
        folder = self._session.folder
        if self._recorder is not None or folder is None:
            return
        self._passes = self._make()
        self._recorder = recorder_of(folder.path / FOLDER, self._passes)
        planned = self._planned if self._schedule.unit == "epoch" else None
        self._say(self._recorder.announcement(planned))

    def _record(self, number: int) -> None:
        self._begin()
        recorder, passes = self._recorder, self._passes
        if recorder is None or passes is None:
            return
        frames, head, seconds = passes.run()
        recorder.add(recorder.next_number(number), frames, head, seconds)

    def _guarded(self, action: Callable[[], None]) -> None:
        """An error ends the recording only; tests set ``strict`` and get those that are bugs. What
        it takes is no time of the training, and none of watching it."""
        started = time.perf_counter()
        try:
            action()
        except TremaError as error:
            self._give_up(str(error))
        except OSError as error:
            self._give_up(f"the recording cannot be written ({error.strerror})")
        except Exception as error:
            self.stop()
            self._session.failed("time travel", error)
        finally:
            for segment in self._session.segments:
                segment.schedule.leave_out(time.perf_counter() - started)

    def _give_up(self, reason: str) -> None:
        self.stop()
        note = f"time travel records nothing: {reason}"
        if self._recorder is not None and self._recorder.recorded:
            note = f"time travel ended early: {reason}"
        self._session.notes.append(note)
        self._say(note)

    def _say(self, line: str) -> None:
        if self._session.config.console:
            print(f"trema: {harmless(line)}", file=sys.stderr)


def checked(
    data: Any, options: RecordOptions | Mapping[str, Any] | None
) -> tuple[Any, RecordOptions] | None:
    """The data and options of a recording; None without data.

    Raises
    ------
    UsageError
        When an option cannot be.
    """
    found = RecordOptions.of(options)
    return None if data is None else (data, found)
