"""Work that does not depend on other work of its kind, by joblib: epochs of a movie, whole runs.

Nothing is said here of processes or machines: a caller's ``joblib.parallel_config`` decides, so
that ``with joblib.parallel_config("loky", n_jobs=8)`` or ``("dask")`` round ``travel.build``,
``travel.quality`` or ``travel.build_runs`` takes the work to processes of this machine or to a
cluster. Without it, and without joblib, everything runs in order, here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def mapped(function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
    """``function(*arguments)`` of each of the calls, in their order, as they are asked for.

    Calls are made as they are needed, so that not all their arguments are held at once.
    """
    if not _asked():
        return (function(*arguments) for arguments in calls)
    from joblib import Parallel, delayed

    work = (delayed(function)(*arguments) for arguments in calls)
    results: Iterator[T] = Parallel(return_as="generator", pre_dispatch="n_jobs")(work)
    return results


def _asked() -> bool:
    """Whether joblib is loaded: nobody chose a backend before."""
    return sys.modules.get("joblib") is not None


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """The result of a function whose own :func:`mapped` work stays in this process."""
    if not _asked():
        return function(*arguments)
    from joblib import parallel_config

    with parallel_config("sequential"):
        return function(*arguments)
