"""Every check against its own cases, and its page against the rules for pages."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from trema.checks.base import Case, Check, all_checks
from trema.core.diagnosis import Diagnosis

CHECKS = all_checks()
CASES = [
    pytest.param(check, case, id=f"{name}: {case.name}")
    for name, check in CHECKS.items()
    for case in check.cases()
]


@pytest.mark.parametrize(("check", "case"), CASES)
def test_the_check_speaks_when_it_must_and_only_then(check: type[Check], case: Case) -> None:
    found = [] if check().missing(case.history) else list(check().diagnose(case.history))
    if not case.fires:
        assert found == []
        return
    assert found, f"nothing found; missing facts: {check().missing(case.history)}"
    for field, expected in case.expect.items():
        assert getattr(found[0], field) == expected


@pytest.mark.parametrize(("check", "case"), CASES)
def test_findings_are_complete(check: type[Check], case: Case) -> None:
    found = list(check().diagnose(case.history))
    assert len({finding.id for finding in found}) == len(found), "two findings share an identity"
    for finding in found:
        assert finding.check == check.id
        assert finding.evidence
        assert finding.fixes
        assert finding.title
        check_message(finding)


def check_message(finding: Diagnosis) -> None:
    message = finding.message
    assert "!" not in message
    assert not message.endswith(".")
    assert "  " not in message
    assert message.count("`") % 2 == 0
    assert message[0] == "`" or not message[0].isupper()
    assert len(message) < 300


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_cases_are_of_both_kinds(check: type[Check]) -> None:
    kinds = [case.fires for case in check.cases()]
    assert kinds.count(True) >= 2
    assert kinds.count(False) >= 3
    names = [case.name for case in check.cases()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_declaration_is_complete(check: type[Check]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.id)
    assert check.title
    assert check.needs
    assert check.fixes
    assert check.links.search
    assert check.links.torch
    assert check.links.keras
    for part in ("Why it matters:", "May be wrong when:", "References:"):
        assert part in (inspect.getdoc(check) or ""), f"the docstring lacks {part!r}"


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_page_is_complete(check: type[Check]) -> None:
    page = check.snippets
    assert page.theory
    assert page.may_be_wrong
    for snippets in (page.bad, page.good):
        assert set(snippets) == {"keras", "torch"}
        for code in snippets.values():
            ast.parse(code)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_related_checks_exist(check: type[Check]) -> None:
    assert set(getattr(check, "explains", frozenset())) <= set(CHECKS)
    assert check.id not in getattr(check, "explains", frozenset())


def test_modules_and_ids_agree() -> None:
    for name, check in CHECKS.items():
        assert check.__module__.rsplit(".", 1)[-1] == name.replace("-", "_")
