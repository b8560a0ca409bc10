"""The shapes of what a coding assistant is told: smaller than those of the pages, all bounded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from trema.api.models import Number


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class MetricLine(Answer):
    """How the main metric of a run went."""

    name: str
    phase: str
    first: Number | None
    last: Number | None
    lowest: Number | None
    highest: Number | None


class RunLine(Answer):
    """One run in short."""

    id: str
    name: str
    framework: str
    state: str = Field(description="running, finished, crashed, interrupted or killed")
    exit_code: int | None
    started: str = Field(description="UTC")
    seconds: float
    steps: int
    epochs: int
    findings: dict[str, int] = Field(description="active findings by severity, muted ones left out")
    fix_first: str | None = Field(description="title of the most urgent finding")
    main_metric: MetricLine | None
    tags: list[str]


class RunList(Answer):
    """Runs, the newest first."""

    runs: list[RunLine]
    total: int
    next: str | None = Field(description="pass as `after` for more; null at the end")


class PlaceLine(Answer):
    """A place in the source as the run had it."""

    file: str
    line: int
    column: int | None
    end_line: int | None
    code: str | None = Field(description="the line's text; null when the run kept no copy")
    source: str | None = Field(description="path for get_source; null when the run kept no copy")


class EvidenceLine(Answer):
    """What was measured against which limit."""

    fact: str
    name: str = Field(description="layer, parameter or metric; empty for facts of the whole run")
    value: Number | None
    limit: Number | None
    unit: str
    step: int | None


class FixLine(Answer):
    """A change that may help."""

    text: str
    caution: str | None
    diff: str | None


class FindingLine(Answer):
    """One finding, whole."""

    key: str = Field(description="its identity in the run")
    rank: int = Field(description="1 is what to fix first")
    check: str
    title: str
    message: str
    cause: str
    severity: str
    confidence: str = Field(description="measured, likely or possible")
    confirmed: str | None = Field(description="verdict of an experiment, when there was one")
    state: str = Field(description="active, or gone when it stopped occurring")
    segment: int
    layer: str | None
    parameter: str | None
    place: PlaceLine | None
    first_epoch: int | None = Field(description="null: before training")
    last_epoch: int | None
    first_step: int | None
    count: int
    evidence: list[EvidenceLine]
    fixes: list[FixLine] = Field(description="the cheapest first")
    explained_by: list[str] = Field(description="keys of findings to fix before this one")
    muted: str | None = Field(description="why a person silenced it; null when it is not muted")
    documentation: str | None


class FindingList(Answer):
    """Findings, what to fix first on top."""

    run: str
    state: str
    findings: list[FindingLine]
    total: int = Field(description="findings that fit the filter")
    next: str | None = Field(description="pass as `after` for more; null at the end")


class LayerLine(Answer):
    """One layer."""

    name: str
    kind: str
    class_name: str
    shape: list[int | None] | None
    parameters: int
    trainable: int
    used: bool = Field(description="false: no value of it reaches the loss")
    findings: list[str]


class NetworkLine(Answer):
    """The network in short."""

    parameters: int
    trainable: int
    loss: str | None
    optimizers: list[str]
    layers: list[LayerLine]
    layers_left_out: int


class Missing(Answer):
    """A check that could not be assessed."""

    check: str
    missing: list[str]


class RunAnswer(Answer):
    """One run."""

    run: RunLine
    inputs: str | None
    outputs: str | None
    segments: int = Field(description="fits or optimizer lifetimes")
    trema_overhead: float | None = Field(description="fraction of the time that Trema took")
    notes: list[str]
    settings: dict[str, str]
    clear: list[str] = Field(description="checks that found nothing")
    not_assessed: list[Missing]
    failed_checks: dict[str, str]
    sources: list[str] = Field(description="files whose source the run kept")
    network: NetworkLine | None


class FactGroup(Answer):
    """A fact and the names it was observed for."""

    fact: str
    unit: str
    axis: str = Field(description="what its steps count: step or epoch")
    phases: list[str]
    segments: list[int]
    ranks: list[int]
    names: list[str] = Field(description="layers, parameters or metrics")
    points: int = Field(description="of the longest series")


class FactList(Answer):
    """What was observed."""

    facts: list[FactGroup]
    next: int | None = Field(description="pass as `after` for more; null at the end")


class Series(Answer):
    """A fact over time."""

    fact: str
    name: str
    phase: str
    segment: int
    rank: int
    unit: str
    axis: str
    points: int = Field(description="observed in all")
    thinned: bool = Field(description="true: each step stands for a stretch, low and high bound it")
    steps: list[int]
    values: list[Number]
    low: list[Number] | None
    high: list[Number] | None


class FactAnswer(Answer):
    """Facts over time."""

    run: str
    series: list[Series]
    left_out: int = Field(description="further series that fit: narrow the question")


class WhyStep(Answer):
    """One finding in a chain of causes."""

    key: str
    title: str
    message: str
    severity: str
    confidence: str
    state: str
    explained_by: list[str]
    evidence: list[EvidenceLine]
    place: PlaceLine | None
    fix: str | None


class WhyAnswer(Answer):
    """Why a finding is there."""

    run: str
    finding: str
    chain: list[WhyStep] = Field(description="the finding, then what explains it, and so on")
    root: list[str] = Field(description="keys of the causes that nothing explains: fix these")
    explains: list[str] = Field(description="keys of findings that this one explains in turn")
    summary: str


class SourceMark(Answer):
    """A line with findings."""

    line: int
    end_line: int
    severity: str
    findings: list[str]


class SourceAnswer(Answer):
    """Part of a file as it was when the run started."""

    run: str
    path: str
    first_line: int
    last_line: int
    total_lines: int
    text: str = Field(description="each line with its number")
    marks: list[SourceMark]


class SettingLine(Answer):
    """A setting that differs."""

    name: str
    values: list[str | None]


class ComparedLine(Answer):
    """A finding of either run."""

    verdict: str = Field(description="appeared, gone or remaining, from the first to the second")
    severity: str
    title: str
    check: str
    states: list[str]
    keys: list[str | None]


class ComparedMetric(Answer):
    """The last values of a metric."""

    name: str
    phase: str
    axis: str = Field(description="epoch, or step for what the program logs itself")
    last: list[Number | None]


class ComparedSource(Answer):
    """How a file changed."""

    path: str
    status: str
    diff: str


class CompareAnswer(Answer):
    """Two runs side by side; lists hold the first run's value, then the second's."""

    runs: list[RunLine]
    findings: list[ComparedLine]
    settings: list[SettingLine] = Field(description="those that differ")
    metrics: list[ComparedMetric]
    sources: list[ComparedSource] = Field(description="those that differ")
    left_out: int = Field(description="entries beyond the bounds of this answer")


class CheckAnswer(Answer):
    """What a check looks for."""

    id: str
    title: str
    cause: str
    severity: str
    kind: str = Field(description="causal facts always report; symptoms must earn it")
    theory: str
    may_be_wrong: str
    bad: dict[str, str] = Field(description="framework -> code with the mistake")
    good: dict[str, str] = Field(description="framework -> code without it")
    needs: list[str] = Field(description="facts it reads")
    thresholds: dict[str, str]
