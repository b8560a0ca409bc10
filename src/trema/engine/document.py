"""The findings document: the JSON that others build on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from trema.checks.base import Check, Links
from trema.core.diagnosis import Diagnosis, Fix, Location
from trema.core.facts import RunInfo
from trema.diagnosis.documents import rank_documents
from trema.diagnosis.ranking import explanations, ranked
from trema.diagnosis.relations import joined_by, relations_of
from trema.engine.findings import Finding
from trema.journal.document import parts_of
from trema.journal.folder import RunFolder
from trema.journal.merging import merged
from trema.source.editor import editor_link

SCHEMA = 1
_DOCS = {
    "keras": "https://keras.io/api/{page}/",
    "torch": "https://docs.pytorch.org/docs/stable/generated/torch.{page}.html",
}
_SEARCH = "https://stackoverflow.com/search?q={query}"


def links_of(links: Links | None, diagnosis: Diagnosis, info: RunInfo) -> dict[str, str | None]:
    """Documentation, search and editor links; the search carries the context of the run."""
    framework = "torch" if info.framework in ("torch", "lightning", "transformers") else "keras"
    page = getattr(links, framework, "") if links else ""
    words = links.search if links else diagnosis.title
    layer = info.layer(diagnosis.where.layer) if diagnosis.where.layer else None
    context = {
        "framework": framework,
        "layer_kind": layer.class_name or layer.kind if layer else "",
        "loss": info.loss.name if info.loss else "",
        "optimizer": info.optimizers[0].kind if info.optimizers else "",
        "inputs": info.inputs or "",
    }
    tag = "pytorch" if framework == "torch" else "keras"
    query = " ".join(f"[{tag}] {words.format_map(_Blank(context))}".split())
    return {
        "documentation": _DOCS[framework].format(page=page) if page else None,
        "search": _SEARCH.format(query=quote_plus(query)),
        "editor": editor_link(diagnosis.location) if diagnosis.location else None,
    }


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def relative(location: Location | None) -> dict[str, Any] | None:
    """The location with its file relative to the working directory where it can be."""
    if location is None:
        return None
    data = location.as_dict()
    try:
        path = Path(location.file)
        if path.is_absolute() and path.is_relative_to(Path.cwd()):
            data["file"] = str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        pass
    return data


def finding_data(finding: Finding, check: type[Check] | None, info: RunInfo) -> dict[str, Any]:
    """One finding without its rank, which depends on the others."""
    diagnosis = finding.diagnosis
    return {
        "id": diagnosis.id,
        "check": diagnosis.check,
        "cause": str(diagnosis.cause),
        "severity": str(diagnosis.severity),
        "state": "active" if finding.active else "gone",
        "segment": finding.segment,
        "ranks": list(finding.ranks),
        "title": diagnosis.title,
        "message": diagnosis.message,
        "confidence": diagnosis.confidence,
        "confirmation": None,
        "explained_by": [],
        "where": diagnosis.where.as_dict(),
        "location": relative(diagnosis.location),
        "first": {"step": finding.first_step, "epoch": finding.first_epoch},
        "last": {"step": finding.last_step, "epoch": finding.last_epoch},
        "count": finding.count,
        "spans": [list(span) for span in finding.spans],
        "history": list(finding.history),
        "evidence": [
            {
                "fact": str(item.fact),
                "name": item.name,
                "value": item.value,
                "limit": item.limit,
                "unit": item.unit,
                "step": item.step,
            }
            for item in diagnosis.evidence
        ],
        "fixes": [_fix(fix) for fix in diagnosis.fixes],
        "links": links_of(getattr(check, "links", None), diagnosis, info),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {"text": fix.text, "caution": fix.caution, "diff": fix.diff}


def rank_findings(
    findings: Sequence[Finding],
    checks: Mapping[str, type[Check]],
    infos: Sequence[RunInfo] = (),
) -> list[tuple[Finding, int, tuple[str, ...]]]:
    """Findings in order of urgency with rank (from 1) and the ids that explain them.

    infos : what is known of each segment; layers explain each other only where a path joins them
    """
    graphs = [joined_by(info.edges) if info.edges else None for info in infos]

    def joined(segment: int, one: str, other: str) -> bool | None:
        graph = graphs[segment] if segment < len(graphs) else None
        return graph(one, other) if graph is not None else None

    explained = explanations(findings, relations_of(checks, joined))
    order = ranked(findings, explained)
    return [
        (finding, rank, explained[finding.segment, finding.id])
        for rank, finding in enumerate(order, start=1)
    ]


def with_other_ranks(
    own: dict[str, Any], rank: int, folder: RunFolder, checks: Mapping[str, type[Check]]
) -> dict[str, Any]:
    """The document of a rank that ends, joined with what the others have written until now."""
    parts = parts_of(folder, leave_out=rank)
    if not parts:
        return own
    state, exit_code = own["run"]["state"], own["run"]["exit_code"]
    document = merged({**parts, rank: own})
    document["run"] |= {"state": state, "exit_code": exit_code}
    document["findings"] = rank_documents(document["findings"], relations_of(checks))
    return document
