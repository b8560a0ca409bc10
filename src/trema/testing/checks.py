"""Test a check of one's own: its cases, its findings and its page.

from trema.testing.checks import run_cases

def test_the_check() -> None:
    run_cases(MyCheck)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trema.checks.base import Check
from trema.core.diagnosis import Diagnosis

__all__ = ["CaseFailed", "problems_of", "run_cases"]


class CaseFailed(AssertionError):
    """A check does not do what its cases say."""


def run_cases(check: type[Check], **thresholds: Any) -> None:
    """Run every case of a check and look at its declaration and page.

    thresholds : other values than the defaults, as a user may set them

    Raises
    ------
    CaseFailed
        Naming all that is wrong, one line each.
    """
    problems = problems_of(check, thresholds)
    if problems:
        raise CaseFailed(f"{check.id}:\n" + "\n".join(f"- {problem}" for problem in problems))


def problems_of(check: type[Check], thresholds: Mapping[str, Any] | None = None) -> list[str]:
    """All that is wrong with a check, as sentences."""
    problems = [f"the declaration lacks {name}" for name in _missing(check)]
    problems += _page(check)
    one = check(**(thresholds or {}))
    kinds: list[bool] = []
    for case in check.cases():
        kinds.append(case.fires)
        missing = one.missing(case.history)
        found = [] if missing else list(one.diagnose(case.history))
        if case.fires and not found:
            why = f", for want of {', '.join(missing)}" if missing else ""
            problems.append(f"{case.name!r}: nothing was found{why}")
        if not case.fires and found:
            problems.append(f"{case.name!r}: it must stay silent but said: {found[0].message}")
        if case.fires and found:
            problems += [f"{case.name!r}: {text}" for text in _different(found[0], case.expect)]
        problems += [f"{case.name!r}: {text}" for one in found for text in _incomplete(one, check)]
    if True not in kinds:
        problems.append("there is no case in which it must speak")
    if False not in kinds:
        problems.append("there is no near miss, in which it must stay silent")
    return problems


def _missing(check: type[Check]) -> list[str]:
    names = ("id", "title", "cause", "severity", "needs", "fixes", "links", "snippets")
    return [name for name in names if not getattr(check, name, None)]


def _page(check: type[Check]) -> list[str]:
    page = getattr(check, "snippets", None)
    if page is None:
        return []
    parts = {
        "Theory": page.theory,
        "May be wrong when": page.may_be_wrong,
        "Bad": page.bad,
        "Good": page.good,
    }
    return [f"the page beside it lacks {name!r}" for name, part in parts.items() if not part]


def _different(found: Diagnosis, expect: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} must be {value!r} but is {getattr(found, name)!r}"
        for name, value in expect.items()
        if getattr(found, name) != value
    ]


def _incomplete(found: Diagnosis, check: type[Check]) -> list[str]:
    wrong = []
    if found.check != check.id:
        wrong.append(f"the finding is of {found.check!r}")
    if not found.evidence:
        wrong.append("the finding has no evidence")
    if not found.fixes:
        wrong.append("the finding has no fix")
    return wrong
