"""Work over epochs that do not depend on each other, by joblib.

Nothing is said here of processes or machines: a caller's ``joblib.parallel_config`` decides, so
that ``with joblib.parallel_config("loky", n_jobs=8)`` or ``("dask")`` round ``travel.build`` takes
the work to processes of this machine or to a cluster. Without it everything runs in order, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def mapped(function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
    """``function(*arguments)`` of each of the calls, in their order, as they are asked for.

    Calls are made as they are needed, so that not all their arguments are held at once.
    """
    from joblib import Parallel, delayed

    work = (delayed(function)(*arguments) for arguments in calls)
    results: Iterator[T] = Parallel(return_as="generator", pre_dispatch="n_jobs")(work)
    return results
