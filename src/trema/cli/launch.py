"""``trema run -m torch.distributed.run …``: every process that the launcher starts is watched."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trema.core.config import Config
from trema.core.errors import UsageError
from trema.engine.session import default_name
from trema.journal.folder import RunFolder, create_run

#: The module behind ``torchrun``.
LAUNCHER = "torch.distributed.run"


def watched_words(words: Sequence[str], options: Sequence[str]) -> tuple[list[str], str]:
    """The launcher's words, changed so that each process runs under ``trema run``; its script.

    options : of ``trema run``, for each process

    Raises
    ------
    UsageError
        When torch is missing, or the processes do not run Python.
    """
    try:
        from torch.distributed.run import get_args_parser
    except ImportError:
        raise UsageError(f"{LAUNCHER} needs torch: pip install 'trema[torch]'") from None
    given = get_args_parser().parse_args(list(words))
    if given.no_python or given.run_path:
        raise UsageError("trema run watches Python: leave out --no-python and --run-path")
    first = len(words) - len(given.training_script_args) - 1
    own = ["-m", given.training_script] if given.module else [given.training_script]
    flag = [] if given.module else ["-m"]
    program = ["trema", "run", *options, *own, *given.training_script_args]
    return [*words[:first], *flag, *program], str(given.training_script)


def shared_run(name: str | None, script: str, config: Config) -> RunFolder:
    """The run that all processes started from here will join."""
    folder = create_run(config.folder, name or default_name(script))
    os.environ["TREMA_RUN"] = folder.id
    os.environ["TREMA_DIR"] = str(config.folder)
    return folder
