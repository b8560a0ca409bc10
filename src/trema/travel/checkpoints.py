"""A recording from a folder of checkpoints and the network that they belong to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trema.core.errors import NotFound, UsageError
from trema.travel.record.files import FOLDER
from trema.travel.record.options import RecordOptions
from trema.travel.record.passing import Pass, recorder_of
from trema.travel.record.reader import Recording, open_recording
from trema.travel.record.sources import sources_of

#: Files that hold the weights of a PyTorch network.
_TORCH = (".pt", ".pth", ".ckpt", ".bin")
_KERAS = ".weights.h5"
#: Keys under which training programs put the weights beside other things.
_STATES = ("state_dict", "model_state_dict", "model", "net", "weights")


def import_checkpoints(
    folder: str | os.PathLike[str],
    model: Any,
    data: Any,
    output: str | os.PathLike[str] | None = None,
    *,
    pattern: str = "*",
    progress: Callable[[str, float], None] | None = None,
    **options: Any,
) -> Recording:
    """Record what fixed samples went through, from the checkpoints of a training that is over.

    Parameters
    ----------
    folder : holds one file a checkpoint: ``.pt``, ``.pth``, ``.ckpt`` or ``.bin`` of PyTorch, or
        ``.weights.h5`` of Keras. The last number in a file's name is its epoch, or the number in
        the name of the folder it lies in, as in ``Epoch_3/subject_model.pth``.
    model : the network, a ``torch.nn.Module`` or a ``keras.Model``; its own weights are put back
    data : as for ``trema.watch(travel=…)``
    output : where the recording is written; by default the folder ``travel`` beside the checkpoints
    pattern : which files, as in ``"epoch_*.pt"``
    progress : told (what, share)
    options : see :class:`trema.travel.record.options.RecordOptions`; ``schedule`` is not used

    Raises
    ------
    NotFound
        When the folder holds no checkpoints.
    UsageError
        When a checkpoint does not fit the network, or is no plain file of weights: nothing that
        could run code is loaded.
    """
    settings = RecordOptions.of(options)
    found = _checkpoints(Path(folder), pattern)
    make, load, kept, back = _framework(model, data, settings)
    target = Path(output) if output is not None else Path(folder) / FOLDER
    if (target / "recording.json").exists():
        raise UsageError(f"{target} holds a recording already: delete it, or give another output")
    try:
        recorder = passes = None
        for done, (number, path) in enumerate(sorted(found.items())):
            if progress is not None:
                progress(f"checkpoint {number}", done / len(found))
            load(path)
            if passes is None or recorder is None:
                passes = make()
                recorder = recorder_of(target, passes)
            frames, head, seconds = passes.run()
            recorder.add(number, frames, head, seconds)
    finally:
        back(kept)
    return open_recording(target)


def _checkpoints(folder: Path, pattern: str) -> dict[int, Path]:
    """Files by epoch."""
    files = [
        path
        for path in sorted([*folder.glob(pattern), *folder.glob(f"*/{pattern}")])
        if path.is_file() and path.name.endswith((*_TORCH, _KERAS))
    ]
    if not files:
        raise NotFound(
            f"no checkpoints in {folder}: expected files that end in {', '.join((*_TORCH, _KERAS))}"
        )
    found: dict[int, Path] = {}
    for path in files:
        numbers = re.findall(r"\d+", path.name.removesuffix(".h5")) or re.findall(
            r"\d+", path.parent.name
        )
        if not numbers:
            raise UsageError(f"{path} has no number in its name that tells its epoch")
        number = int(numbers[-1])
        if number in found:
            raise UsageError(f"{found[number]} and {path} are both epoch {number}: give a pattern")
        found[number] = path
    return found


def _framework(
    model: Any, data: Any, options: RecordOptions
) -> tuple[Callable[[], Pass], Callable[[Path], None], Any, Callable[[Any], None]]:
    """How passes are made, a checkpoint is loaded, and what puts back the model's own weights."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(model).__mro__}
    if "keras.Model" in names:
        from trema.travel.record import keras_pass

        sources = sources_of(data, collate=keras_pass.collate, limit=options.samples)
        return (
            lambda: keras_pass.KerasPass(model, sources, options),
            lambda path: _load_keras(model, path),
            model.get_weights(),
            model.set_weights,
        )
    if "torch.Module" not in names:
        raise UsageError(
            f"expected a torch.nn.Module or a keras.Model but got {type(model).__name__}"
        )
    from trema.travel.record import torch_pass

    sources = sources_of(data, collate=torch_pass.collate, limit=options.samples)
    return (
        lambda: torch_pass.TorchPass(model, sources, options),
        lambda path: _load_torch(model, path),
        {name: value.clone() for name, value in model.state_dict().items()},
        model.load_state_dict,
    )


def _load_keras(model: Any, path: Path) -> None:
    try:
        model.load_weights(path)
    except Exception as error:
        raise UsageError(f"{path} does not fit the network ({_first(error)})") from error


def _load_torch(model: Any, path: Path) -> None:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as plain weights ({_first(error)}): save model.state_dict()"
        ) from error
    for key in _STATES:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    try:
        model.load_state_dict(_named_as(state, model))
    except Exception as error:
        raise UsageError(f"{path} does not fit the network ({_first(error)})") from error


def _named_as(state: Any, model: Any) -> Any:
    """Without what a wrapper puts before names: ``module.``, ``_orig_mod.``, ``model.``."""
    if not isinstance(state, Mapping):
        return state
    wanted = set(model.state_dict())
    for prefix in ("module.", "_orig_mod.", "model.", "net."):
        if not wanted & set(state) and any(str(name).startswith(prefix) for name in state):
            state = {str(name).removeprefix(prefix): value for name, value in state.items()}
    return state


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])}"[:200]
