"""What each check looks for, from the page beside it."""

from __future__ import annotations

from collections.abc import Mapping

from trema.api.models import CheckPage, Snippet
from trema.checks.base import Check, thresholds
from trema.core.errors import NotFound, did_you_mean
from trema.core.numbers import encode


def check_page(check: type[Check]) -> CheckPage:
    """The page of a check."""
    page = check.snippets
    return CheckPage(
        id=check.id,
        title=check.title,
        cause=str(check.cause),
        kind=str(check.kind),
        severity=str(check.severity),
        theory=page.theory,
        may_be_wrong=page.may_be_wrong,
        bad=[Snippet(framework=name, code=code) for name, code in page.bad.items()],
        good=[Snippet(framework=name, code=code) for name, code in page.good.items()],
        needs=sorted(map(str, check.needs)),
        thresholds=encode(thresholds(check())),
    )


def find_check(checks: Mapping[str, type[Check]], name: str) -> CheckPage:
    """The page of the check of this id.

    Raises
    ------
    NotFound
        When it is not installed.
    """
    if name not in checks:
        raise NotFound(f"there is no check {name[:100]!r}: {did_you_mean(name[:100], checks)}")
    return check_page(checks[name])
