"""``trema run``: an unmodified script in this process, watched."""

from __future__ import annotations

import _thread
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trema.adapters import autoattach
from trema.adapters.wiring import wire
from trema.cli.folders import document_of
from trema.cli.launch import LAUNCHER, shared_run, watched_words
from trema.cli.program import Program, find_module, find_script
from trema.core.config import Config
from trema.core.diagnosis import Severity
from trema.core.errors import UsageError
from trema.diagnosis.crash import PREFIX as CRASH
from trema.engine import active
from trema.engine.findings import Finding
from trema.engine.ranks import this_rank
from trema.engine.session import Session, default_name
from trema.journal.document import write_json

FAILED_ON = 3  # exit code of --fail-on
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``trema run``."""

    json: Path | None = None
    fail_on: str | None = None
    stop_on: str | None = None
    name: str | None = None
    dir: Path | None = None
    quiet: bool = False


#: Times that an interrupt is sent again; a program that goes on after that means to.
_AGAIN = 3


def _interrupt() -> None:
    """Raise KeyboardInterrupt in the main thread, as Ctrl-C does."""
    if callable(signal.getsignal(signal.SIGINT)):
        _thread.interrupt_main()
        return
    # a job in the background, or under nohup, ignores the signal
    main = ctypes.c_ulong(threading.main_thread().ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(KeyboardInterrupt))


def _steps(session: Session) -> int:
    return sum(segment.steps for segment in session.segments)


class Recorder:
    """A sink that keeps the documents of all runs of the process, and may end training."""

    def __init__(self, stop_on: str | None) -> None:
        self.documents: list[dict[str, Any]] = []
        self.stopped_by: str | None = None
        self.over = threading.Event()  # the program has ended
        self._stop = Severity(stop_on).weight if stop_on else None

    def started(self, session: Session) -> None:
        """Nothing to do."""

    def found(self, session: Session, finding: Finding) -> None:
        """End training on a finding that is bad enough: as Ctrl-C does."""
        if self._stop is None or self.stopped_by or finding.severity.weight < self._stop:
            return
        if finding.check.startswith(CRASH):
            return  # it ends by itself, with its own exit code
        self.stopped_by = finding.check
        _interrupt()
        insist = threading.Thread(target=self._insist, args=(session,), daemon=True)
        insist.start()

    def _insist(self, session: Session) -> None:
        """Interrupt again where training goes on: Python ignores what is raised in a finalizer."""
        seen = _steps(session)
        for _ in range(_AGAIN):
            while (now := _steps(session)) <= seen + 1:
                if self.over.wait(0.02):
                    return
            seen = now
            _interrupt()

    def gone(self, session: Session, finding: Finding) -> None:
        """Nothing to do."""

    def finished(self, session: Session, document: Mapping[str, Any]) -> None:
        """Keep the document."""
        self.documents.append(dict(document))

    def fails(self, level: str) -> bool:
        """Whether a finding that nothing explains is of this level or worse."""
        least = Severity(level).weight
        return any(
            Severity(finding["severity"]).weight >= least and not finding["explained_by"]
            for document in self.documents
            for finding in document["findings"]
        )


def run_program(words: list[str], module: str | None, options: Options) -> int:
    """Run the script or module and return the exit code.

    Raises
    ------
    UsageError
        When there is no such script or module, or the document could not be written there.
    """
    if options.json is not None and not options.json.absolute().parent.is_dir():
        raise UsageError(f"--json needs a file in an existing folder but got {options.json}")
    if module == LAUNCHER:
        return _launch(words, options)
    program = _program(words, module)
    if options.dir is not None:
        os.environ["TREMA_DIR"] = str(options.dir.absolute())  # child processes and later runs
    recorder = Recorder(options.stop_on)
    first = this_rank() == 0  # of several ranks, the first one tells and judges
    wire()
    active.sink_factories.append(lambda config: recorder)
    config = Config.of(script=program.path, console=False if options.quiet else None)
    session = active.start(options.name or default_name(program.path), config=config)
    session.expect_ranks()
    autoattach.install()
    code, state = _run(program, recorder)
    _join_threads()
    handed_over = session.handed_over and session.folder is not None
    active.finish(state, code)
    if handed_over and session.folder is not None:
        recorder.documents.append(document_of(session.folder))
    return _results(recorder, options, code) if first else code


def _launch(words: list[str], options: Options) -> int:
    """Run a launcher whose processes are watched; what they found is judged here."""
    passed = ["--quiet"] if options.quiet else []
    passed += ["--stop-on", options.stop_on] if options.stop_on else []
    changed, script = watched_words(words, passed)
    given = str(options.dir) if options.dir is not None else None
    folder = shared_run(options.name, script, Config.of(dir=given))
    recorder = Recorder(None)
    code, _ = _run(find_module(LAUNCHER, changed), recorder)
    recorder.documents.append(document_of(folder))
    return _results(recorder, options, code)


def _program(words: list[str], module: str | None) -> Program:
    if module is not None:
        return find_module(module, words)
    if not words:
        raise UsageError("expected a script but got none: trema run script.py, or -m module")
    return find_script(words[0], words[1:])


def _run(program: Program, recorder: Recorder) -> tuple[int, str]:
    """Exit code and state."""
    try:
        program.run()
    except SystemExit as error:
        code = _exit_code(error)
        if code and recorder.stopped_by is not None:  # as Lightning makes of a Ctrl-C
            return _stopped(recorder.stopped_by)
        return code, "finished" if code == 0 else "crashed"
    except KeyboardInterrupt as error:
        if recorder.stopped_by is not None:
            return _stopped(recorder.stopped_by)
        program.report(error)
        return INTERRUPTED, "interrupted"
    except BaseException as error:
        program.report(error)
        return 1, "crashed"
    finally:
        recorder.over.set()
    return 0, "finished"


def _stopped(check: str) -> tuple[int, str]:
    """Exit code and state of a training that a finding ended."""
    print(f"trema: training ended by --stop-on: {check}", file=sys.stderr)
    return INTERRUPTED, "interrupted"


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _join_threads() -> None:
    """Wait for the script's threads, as Python does before it ends."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            try:
                thread.join()
            except (RuntimeError, KeyboardInterrupt):
                return


def _results(recorder: Recorder, options: Options, code: int) -> int:
    if options.json is not None:
        try:
            write_json(options.json, recorder.documents[-1] if recorder.documents else {})
        except OSError as error:
            reason = error.strerror or type(error).__name__
            print(f"trema: {options.json} cannot be written ({reason})", file=sys.stderr)
    if code == 0 and options.fail_on is not None and recorder.fails(options.fail_on):
        return FAILED_ON
    return code
