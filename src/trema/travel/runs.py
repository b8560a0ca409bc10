"""Movies of several runs, each by itself: on a cluster, each where there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trema.core.errors import UsageError
from trema.travel.cache import Cache
from trema.travel.frames import Frames
from trema.travel.movie import Movie, build, unpacked
from trema.travel.parallel import alone, mapped
from trema.travel.progress import reporter
from trema.travel.visualizers.base import module_of

#: The arguments of ``build``, or a function without arguments that gives them.
Run = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


def build_runs(
    runs: Iterable[Run],
    *,
    progress: bool | Callable[[str, float], None] = False,
    **common: Any,
) -> list[Movie]:
    """The movies of several runs, as ``build`` makes them one after the other.

    They are built through joblib: ``with joblib.parallel_config("loky", n_jobs=8)`` round the
    call builds eight at a time, and ``("dask")`` or a backend of Ray on the machines of a cluster.
    A run stays in one process, with as many threads as that has. Movies are equal to those of
    ``build`` where processes have the same number of threads and the same processors.

    Parameters
    ----------
    runs : the arguments of ``build`` by name for each run, ``representations`` among them; or
        functions that give them, which open their memory maps where the movie is built, so that
        nothing but the movie travels between machines
    progress : True for a bar, or a function (what, share from 0 to 1)
    common : arguments of ``build`` for all runs, unless a run has its own

    Raises
    ------
    UsageError
        When a run cannot be built; says which. The others that are not finished are given up.
    MissingExtra
        When a method needs a package that is not installed.
    """
    listed = list(runs)
    module_of(common.get("method", "trema"))  # say what is missing here, not in a process
    movies: list[Movie] = []
    with reporter(progress) as report:
        report(f"building {len(listed)} movies", 0.0)
        for built in mapped(_built, ((run, common) for run in listed)):
            if isinstance(built, str):
                raise UsageError(f"run {len(movies)}: {built}")
            given = _arguments(listed[len(movies)], common)
            about, parts, cache = built
            frames = Frames(given["representations"])
            movies.append(
                unpacked(about, parts, frames, given.get("heads"), given.get("kind"), cache)
            )
            report(f"built {len(movies)} of {len(listed)} movies", len(movies) / len(listed))
    return movies


def _built(run: Run, common: Mapping[str, Any]) -> tuple[Any, Any, Cache | None] | str:
    """The movie of a run in plain arrays, or what is wrong with it."""
    try:
        given = _arguments(run, common)
        if "representations" not in given:
            return "expected the arguments of build() by name, representations among them"
        movie = alone(lambda: build(**given))
    except UsageError as error:
        return str(error)
    return *movie.packed(), movie.parts


def _arguments(run: Run, common: Mapping[str, Any]) -> dict[str, Any]:
    given = run() if callable(run) else run
    if not isinstance(given, Mapping):
        raise UsageError(
            f"expected the arguments of build() by name but got {type(given).__name__}"
        )
    return {**common, **given}
