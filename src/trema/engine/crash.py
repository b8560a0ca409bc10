"""Reads an exception that ends the program; nothing in it is changed, and nothing is kept alive.

No framework is imported: a layer is known by what it has, a tensor by its shape and type.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from trema.core.diagnosis import Location
from trema.diagnosis.crash import ArraySeen, Crash, LayerSeen, explain
from trema.source.frames import CallSite, is_user_file

if TYPE_CHECKING:
    from trema.engine.session import Session

_TEXT = 20_000  # characters of a message
_FRAMES = 200
_ENTRIES = 10_000_000  # of an array of whole numbers whose range is looked at
_OPTIONS = (
    "in_features", "out_features", "in_channels", "out_channels", "kernel_size", "num_embeddings",
    "embedding_dim", "num_features", "normalized_shape", "input_size", "hidden_size", "embed_dim",
    "input_dim", "output_dim", "units",
)  # fmt: skip


def explain_crash(session: Session, error: BaseException, trace: TracebackType | None) -> None:
    """Tell what is known of an exception that ends the program, once its traceback is printed."""
    if not isinstance(error, Exception):  # Ctrl-C and exit() explain themselves
        return
    for action in session.before_crash:
        session.guarded("crash", action)
    number = max(0, len(session.segments) - 1)
    info = session.info(number)
    diagnosis = explain(read_crash(error, trace), info)
    if diagnosis is None:
        return
    history = session.segments[number].history if session.segments else None
    step = history.step if history is not None and history.step >= 0 else None
    epoch = history.epoch if history is not None and step is not None else None
    found, _, _ = session.findings.update(diagnosis.check, number, [diagnosis], step, epoch)
    for finding in found:
        session.tell(finding)


def read_crash(error: BaseException, trace: TracebackType | None) -> Crash:
    """What the exception and its traceback show."""
    steps = list(traceback.walk_tb(trace))[-_FRAMES:]
    frames = [frame for frame, _ in steps]
    names = _names(frames)
    message = f"{error}"[:_TEXT]
    indices = any(word in message for word in ("index", "Target", "bounds", "Class values"))
    layers: dict[int, LayerSeen] = {}
    calls = []
    for frame in reversed(frames):
        owner = frame.f_locals.get("self")
        arrays = tuple(_arrays(frame, indices))
        if owner is not None and _is_layer(owner):
            known = layers.get(id(owner))
            if known is None or (not known.arrays and arrays):
                layers[id(owner)] = _layer(owner, names, arrays)
        elif not is_user_file(frame.f_code.co_filename):
            calls.append((frame.f_code.co_name, arrays))
    inner = frames[-1] if frames else None
    return Crash(
        kinds=tuple(kind.__name__ for kind in type(error).__mro__),
        message=message,
        layers=tuple(layers.values()),
        calls=tuple(calls),
        location=_location(trace),
        own=inner is not None and is_user_file(inner.f_code.co_filename) and _raised(trace),
        memory=_machine_memory(message, error),
    )


def _location(trace: TracebackType | None) -> Location | None:
    """The innermost line of the user's code."""
    found: CallSite | None = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_user_file(code.co_filename):
            found = CallSite(code, trace.tb_lasti)
        trace = trace.tb_next
    return found.resolve() if found is not None else None


def _raised(trace: TracebackType | None) -> bool:
    """Whether the last line is a ``raise`` or ``assert``."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    location = CallSite(trace.tb_frame.f_code, trace.tb_lasti).resolve()
    return location is not None and location.text.startswith(("raise", "assert"))


def _is_layer(owner: object) -> bool:
    kind = type(owner)
    return hasattr(kind, "named_modules") or (hasattr(kind, "call") and hasattr(kind, "get_config"))


def _unwrapped(owner: Any) -> Any:
    """The user's model, where a wrapper for several processes or devices holds it."""
    inner = getattr(owner, "module", None)
    wraps = type(owner).__name__ in ("DistributedDataParallel", "DataParallel")
    return inner if wraps and hasattr(type(inner), "named_modules") else owner


def _names(frames: list[FrameType]) -> dict[int, str]:
    """Names of modules as their outermost running module knows them."""
    for frame in frames:
        owner = frame.f_locals.get("self")
        if owner is not None and hasattr(type(owner), "named_modules"):
            inner = _unwrapped(owner)
            return {id(module): name for name, module in inner.named_modules()}
    return {}


def _layer(owner: Any, names: dict[int, str], arrays: tuple[ArraySeen, ...]) -> LayerSeen:
    kind = type(owner).__name__
    own = getattr(owner, "name", None)  # Keras
    name = names.get(id(owner)) or (own if isinstance(own, str) else "")
    if not name:  # the whole model; one that is a layer itself is called as the adapters call it
        name = kind if getattr(owner, "_modules", None) else kind.lower()
    options = {}
    for option in _OPTIONS:
        value = vars(owner).get(option)
        if isinstance(value, int | tuple) and not isinstance(value, bool):
            options[option] = value
    return LayerSeen(name=name, class_name=kind, options=options, arrays=arrays)


def _arrays(frame: FrameType, indices: bool) -> Iterator[ArraySeen]:
    for name, value in list(frame.f_locals.items())[:50]:
        values = value[:4] if isinstance(value, tuple) else (value,)
        for one in values:
            try:
                seen = _array(name, one, indices)
            except Exception:  # objects raise what they like when asked
                continue
            if seen is not None:
                yield seen


def _array(name: str, value: Any, indices: bool) -> ArraySeen | None:
    if isinstance(value, ModuleType):  # asking a lazy one may import it
        return None
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if dtype is None or not isinstance(shape, tuple) or hasattr(type(value), "named_modules"):
        return None
    if not all(isinstance(size, int) for size in shape):
        return None
    kind = str(dtype).removeprefix("torch.")
    lowest = highest = None
    if indices and kind.startswith(("int", "uint")) and 0 < _product(shape) <= _ENTRIES:
        try:
            if str(getattr(value, "device", "cpu")).startswith("cpu"):
                lowest, highest = int(value.min()), int(value.max())
        except Exception:  # a lazy or broken array tells nothing
            pass
    return ArraySeen(name, tuple(shape), kind, lowest, highest)


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for part in shape:
        size *= part
    return size


def _machine_memory(message: str, error: BaseException) -> int | None:
    """Bytes of the machine, when it was not an accelerator that was full."""
    if "CUDA" in message or "GPU" in message or "MPS" in message:
        return None
    if not isinstance(error, MemoryError) and "memory" not in message:
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return None
