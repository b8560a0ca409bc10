"""The documents of all ranks as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Notes of one rank that stand in the merged document.
NOTES = 20


def merged(parts: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """One document of a run from those of its ranks; the lowest rank tells what is not joined.

    A finding of several ranks stands once, with all of them; a check is clear that is clear on some
    rank and found nothing on any, and the state is that of the first rank that ended badly.
    """
    ordered = [parts[rank] for rank in sorted(parts)]
    document = ordered[0]
    if len(ordered) == 1:
        return document
    for other in ordered[1:]:
        _join(document, other)
    found = {str(finding.get("check")) for finding in document["findings"]}
    clear = {check for part in ordered for check in part["clear"]} - found
    document["clear"] = sorted(clear)
    document["not_assessed"] = _not_assessed(ordered, clear | found)
    document["failed_checks"] = _each(ordered, "failed_checks")
    document["muted"] = _each(ordered, "muted")
    _join_runs(document["run"], {rank: parts[rank]["run"] for rank in sorted(parts)})
    return document


def _join(document: dict[str, Any], other: dict[str, Any]) -> None:
    """Add the findings of another rank; a shared one lists both ranks."""
    known = {(f.get("segment"), f.get("id")): f for f in document["findings"]}
    for finding in other["findings"]:
        same = known.get((finding.get("segment"), finding.get("id")))
        if same is None:
            finding["rank"] = len(document["findings"]) + 1
            document["findings"].append(finding)
        else:
            same["ranks"] = sorted({*_ranks(same), *_ranks(finding)})


def _ranks(finding: Mapping[str, Any]) -> list[int]:
    ranks = finding.get("ranks")
    found = [rank for rank in ranks if isinstance(rank, int)] if isinstance(ranks, list) else []
    return found or [0]


def _not_assessed(parts: list[dict[str, Any]], known: set[str]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        for item in part["not_assessed"]:
            if isinstance(item, dict) and item.get("check") not in known:
                found.setdefault(str(item.get("check")), item)
    return list(found.values())


def _each(parts: list[dict[str, Any]], key: str) -> list[Any]:
    found: list[Any] = []
    for part in parts:
        found += [item for item in part[key] if item not in found]
    return found


def _join_runs(facts: dict[str, Any], runs: Mapping[int, Mapping[str, Any]]) -> None:
    """What is known of the run as a whole: the longest of the ranks' times, the worst state."""
    for key in ("steps", "epochs", "segments", "seconds"):
        numbers = [run[key] for run in runs.values() if isinstance(run.get(key), int | float)]
        facts[key] = max(numbers, default=facts.get(key))
    facts["records_lost"] = sum(_whole(run.get("records_lost")) for run in runs.values())
    facts["ranks"] = list(runs)
    ends = [(run.get("state"), run.get("exit_code")) for run in runs.values()]
    facts["state"], facts["exit_code"] = joined_state(ends)
    notes: list[str] = []
    for rank, run in runs.items():
        told = run.get("notes")
        for note in told[:NOTES] if isinstance(told, list) else ():
            if note not in notes:
                notes.append(f"rank {rank}: {note}" if notes and rank else note)
    facts["notes"] = notes


def joined_state(ends: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """State and exit code of a run by those of its ranks in order: of the first that ended badly,
    else of the first that still runs, else of the first."""
    bad = (end for end in ends if end[0] not in ("running", "finished"))
    running = (end for end in ends if end[0] == "running")
    return next(bad, next(running, ends[0]))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
