"""From a finding back to its causes, as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def chain(
    begin: str, explained_by: Mapping[str, Sequence[str]], limit: int = 20
) -> tuple[list[str], list[str]]:
    """The finding, what explains it, what explains that, and so on, each once; and its roots.

    explained_by : key of a finding -> keys of those that explain it; unknown keys are passed over

    Returns
    -------
    The keys reached, at most ``limit``, the finding itself first; and those of them that nothing
    explains, which is none where findings explain each other.
    """
    reached = [begin]
    for key in reached:  # grows while it is read
        for cause in explained_by.get(key, ()):
            if cause in explained_by and cause not in reached and len(reached) < limit:
                reached.append(cause)
    roots = [
        key for key in reached if not any(c in explained_by for c in explained_by.get(key, ()))
    ]
    return reached, roots
