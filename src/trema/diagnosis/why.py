"""Why a run went wrong: an answer from its findings document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trema.diagnosis.chains import chain
from trema.diagnosis.documents import DocumentFinding
from trema.diagnosis.relations import Relations
from trema.diagnosis.symptoms import Symptom

_CHAINS = 5  # told of one symptom


@dataclass(frozen=True)
class Answer:
    """Why a symptom is there, or why that cannot be told.

    symptom : None when the whole run was asked about
    chains : each begins with what is to be explained and ends with what explains it all
    roots : what to fix, the most urgent first; the findings that nothing explains
    seen : whether the symptom itself was found
    clear, not_assessed : the checks concerned that found nothing, or lack a fact
    """

    symptom: Symptom | None
    chains: tuple[tuple[Mapping[str, Any], ...], ...]
    roots: tuple[Mapping[str, Any], ...]
    seen: bool
    clear: tuple[str, ...]
    not_assessed: tuple[Mapping[str, Any], ...]

    @property
    def explained(self) -> bool:
        """Whether something other than the symptom itself was found."""
        return any(len(steps) > 1 for steps in self.chains) or (not self.seen and bool(self.roots))

    def summary(self) -> str:
        """The answer in a sentence."""
        if self.symptom is None:
            if not self.roots:
                return "nothing was found, so there is nothing to explain"
            return f"fix first: {_title(self.roots[0])}"
        if not self.seen:
            if not self.roots:
                return f"{self.symptom.unseen}, and nothing that leads to it"
            return f"{self.symptom.unseen}; what may lead to it: {_title(self.roots[0])}"
        if not self.explained:
            return f"{self.symptom.seen}, and no other finding explains it: its own fixes apply"
        return f"{self.symptom.seen}; fix first: {_title(self.roots[0])}"

    def as_dict(self) -> dict[str, Any]:
        """The answer as JSON data; findings are as in the findings document."""
        return {
            "symptom": self.symptom.name if self.symptom else None,
            "seen": self.seen,
            "explained": self.explained,
            "summary": self.summary(),
            "fix_first": [finding.get("id") for finding in self.roots],
            "chains": [list(steps) for steps in self.chains],
            "clear": list(self.clear),
            "not_assessed": list(self.not_assessed),
        }

    def step_keys(self) -> list[str]:
        """``segment:id`` of all findings of the chains, in order."""
        return list(dict.fromkeys(_key(finding) for steps in self.chains for finding in steps))

    def root_keys(self) -> list[str]:
        """``segment:id`` of what to fix."""
        return [_key(finding) for finding in self.roots]


def _title(finding: Mapping[str, Any]) -> str:
    return str(finding.get("title") or finding.get("check"))


def answer(
    document: Mapping[str, Any],
    relations: Relations,
    causes: Mapping[str, str],
    symptom: Symptom | None = None,
) -> Answer:
    """Why a symptom is there, or what is wrong with the whole run.

    document : findings document, ranked
    causes : check id -> its default cause, to tell which checks concern the symptom
    """
    findings = [item for item in document.get("findings", []) if isinstance(item, Mapping)]
    findings.sort(key=lambda item: (item.get("state") == "gone", _rank(item)))
    by_key = {_key(item): item for item in reversed(findings)}
    explained = {key: _causes(item) for key, item in by_key.items()}
    starts = _starts(findings, explained, relations, symptom)
    starts.sort(key=lambda start: min(_rank(by_key[key]) for key in chain(start, explained)[0]))
    chains, roots = [], dict[str, None]()
    for start in starts[:_CHAINS]:
        reached, ends = chain(start, explained)
        chains.append(tuple(by_key[key] for key in reached))
        roots |= dict.fromkeys(ends or reached[-1:])
    shown = bool(starts)
    if symptom is not None and not shown:
        roots = dict.fromkeys(
            _key(item)
            for item in findings
            if symptom.may_come_from(DocumentFinding(item), relations)
        )
        chains = [(by_key[key],) for key in list(roots)[:_CHAINS]]

    def concerned(check: object) -> bool:
        name = str(check)
        return symptom is None or symptom.concerns(name, causes.get(name, ""), relations)

    return Answer(
        symptom=symptom,
        chains=tuple(chains),
        roots=tuple(sorted((by_key[key] for key in roots), key=_rank)),
        seen=shown,
        clear=tuple(str(name) for name in document.get("clear", []) if concerned(name)),
        not_assessed=tuple(
            item
            for item in document.get("not_assessed", [])
            if isinstance(item, Mapping) and concerned(item.get("check"))
        ),
    )


def _starts(
    findings: Sequence[Mapping[str, Any]],
    explained: Mapping[str, Sequence[str]],
    relations: Relations,
    symptom: Symptom | None,
) -> list[str]:
    """What is to be explained: the symptom, or of the whole run what explains nothing else."""
    if symptom is not None:
        chosen = [
            _key(item) for item in findings if symptom.shown_by(DocumentFinding(item), relations)
        ]
    else:
        used = {cause for causes in explained.values() for cause in causes}
        chosen = [_key(item) for item in findings if _key(item) not in used]
        chosen = chosen or [_key(item) for item in findings[:1]]  # they explain each other
    chosen = list(dict.fromkeys(chosen))
    inner = {key for start in chosen for key in chain(start, explained)[0][1:]}
    return [key for key in chosen if key not in inner] or chosen[:1]


def _key(finding: Mapping[str, Any]) -> str:
    return f"{finding.get('segment') or 0}:{finding.get('id')}"


def _causes(finding: Mapping[str, Any]) -> list[str]:
    given = finding.get("explained_by")
    segment = finding.get("segment") or 0
    return [f"{segment}:{cause}" for cause in given] if isinstance(given, list) else []


def _rank(finding: Mapping[str, Any]) -> int:
    rank = finding.get("rank")
    return rank if isinstance(rank, int) else 1 << 30
