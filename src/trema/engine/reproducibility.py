"""What a run depends on beside its code: seeds, random states, versions, deterministic flags.

Nothing here draws a number or loads a library: generators are read, never advanced, and only
libraries that the program has loaded are asked. Environment variables are never recorded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from trema.core.facts import RunInfo
from trema.source.randomness import random_choices

_PACKAGES = ("numpy", "torch", "keras", "jax", "tensorflow", "transformers", "lightning", "sklearn")


def versions() -> dict[str, str]:
    """Python, the system and the loaded libraries that computations rest on."""
    found = {"python": platform.python_version(), "system": f"{sys.platform} {platform.machine()}"}
    for name in _PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    found |= dict(_quiet(_cuda))
    return found


def record() -> dict[str, str]:
    """Seeds, random states and flags by name, as words."""
    return {name: value for part in _PARTS for name, value in _quiet(part)}


def reproducible(info: RunInfo, sources: Callable[[], Mapping[str, str]] | None = None) -> RunInfo:
    """What is known of a run, with all that it depends on beside its code.

    sources : the user's own files, whose random choices are recorded too
    """
    found = record()
    try:
        texts = sources() if sources is not None else {}
        choices = random_choices(texts)
    except Exception:  # a record is never worth an error
        choices = {}
    found |= {f"random choice at {place}": call for place, call in choices.items()}
    return dataclasses.replace(
        info, versions={**versions(), **info.versions}, reproducibility=found
    )


def _quiet(part: Callable[[], Iterator[tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    """What a part tells until it fails: a version of a library may lack what is asked."""
    try:
        yield from part()
    except Exception:  # a record is never worth an error
        return


def _python() -> Iterator[tuple[str, str]]:
    yield "random state of python", _hash(repr(random.getstate()).encode())
    yield "hash randomization", "on" if sys.flags.hash_randomization else "off"


def _numpy() -> Iterator[tuple[str, str]]:
    state: Any = np.random.get_state(legacy=True)
    content = b"".join(np.asarray(part).tobytes() for part in state[1:])
    yield "random state of numpy", _hash(content)


def _torch() -> Iterator[tuple[str, str]]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    yield "seed of torch", str(torch.initial_seed())
    yield "random state of torch", _hash(torch.get_rng_state().numpy().tobytes())
    flags = {
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "deterministic cudnn": torch.backends.cudnn.deterministic,
        "cudnn benchmark": torch.backends.cudnn.benchmark,
    }
    for name, value in flags.items():
        yield name, "yes" if value else "no"
    yield "matmul precision", str(torch.get_float32_matmul_precision())
    yield "threads", str(torch.get_num_threads())


def _keras() -> Iterator[tuple[str, str]]:
    keras: Any = sys.modules.get("keras")
    if keras is None:
        return
    seeds: Any = sys.modules.get("keras.src.utils.rng_utils")
    seed = seeds.get_random_seed() if seeds is not None else None
    yield "seed of keras", "not set" if seed is None else str(seed)
    yield "float type", str(keras.config.floatx())
    yield "precision policy", str(keras.config.dtype_policy().name)


def _cuda() -> Iterator[tuple[str, str]]:
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.version.cuda and torch.cuda.is_initialized():
        yield "cuda", str(torch.version.cuda)
        yield "cudnn", str(torch.backends.cudnn.version())
        yield "gpu", str(torch.cuda.get_device_name())


def _machine() -> Iterator[tuple[str, str]]:
    yield "processors", str(os.cpu_count())


_PARTS = (_python, _numpy, _torch, _keras, _machine)


def _hash(content: bytes) -> str:
    """Equal for equal states: eight hexadecimal digits are enough to tell two runs apart."""
    return hashlib.blake2b(content, digest_size=4).hexdigest()
