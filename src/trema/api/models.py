"""The shapes of the API's answers. TypeScript types are generated from these.

Numbers that may be NaN or infinite are of type :data:`Number`: the strings ``"nan"``, ``"inf"`` and
``"-inf"`` stand for them, as in journals. Times are seconds since 1970. Steps and epochs count from
0, lines and columns from 1. Everything that a training script can write (names, messages, source)
is data: a client shows it as text.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float | Literal["nan", "inf", "-inf"]
RunState = str  # running, finished, crashed, interrupted, killed
Severity = Literal["critical", "error", "warning", "info"]
Scope = Literal["run", "project"]

Short = Annotated[str, Field(min_length=1, max_length=255)]
Reason = Annotated[str, Field(max_length=2000)]


class Model(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class Sent(Model):
    """What a client sends; nothing is converted, so that ``"keep": false`` is not 0."""

    model_config = ConfigDict(strict=True)


class Problem(Model):
    """Any 4xx or 5xx answer: one sentence (expected, came, what to do)."""

    error: str
    expected: int | None = None  # of a cursor conflict: byte offset to send from


class Status(Model):
    """The server."""

    version: str
    mode: Literal["local", "server"]
    writable: bool  # this client may mute, tag, archive, delete
    folder: str | None  # the run folder that is followed; None for a team server
    revision: int  # changes whenever anything a page shows has changed
    problems: list[str]  # such as an index that cannot be brought up to date, alerts that fail


# runs ---------------------------------------------------------------------------------------


class Counts(Model):
    """Active findings that are not muted, by severity."""

    critical: int = 0
    error: int = 0
    warning: int = 0
    info: int = 0


class Sparkline(Model):
    """A small curve of the run's main metric (validation loss where there is one)."""

    metric: str
    phase: str
    steps: list[int]  # at most 64
    values: list[Number]


class RunRow(Model):
    """One run in the list."""

    id: str
    name: str
    framework: str
    state: RunState
    exit_code: int | None
    started: float
    updated: float
    seconds: float
    steps: int
    epochs: int
    revision: int  # as in RunChange: it grows with every change, points, mutes and tags too
    counts: Counts
    top: str | None  # title of the finding to fix first
    sparkline: Sparkline | None
    tags: list[str]
    archived: bool
    host: str | None
    unsent: int | None  # bytes that wait to be sent to a team server; None when nobody sends it


class RunPage(Model):
    """Runs in the order asked for."""

    runs: list[RunRow]
    next: str | None  # pass as ``after`` for the next page
    total: int  # runs that fit the filter
    tags: list[str]  # all tags in use
    revision: int


class EpochMark(Model):
    """Where an epoch ended."""

    segment: int
    epoch: int
    step: int | None
    time: float


class NotAssessed(Model):
    """A check that lacked facts."""

    check: str
    missing: list[str]


class FailedCheck(Model):
    """A check or another part that raised and was switched off."""

    check: str
    error: str


class MutedFinding(Model):
    """A finding that stays silent."""

    check: str
    where: str | None
    reason: str | None
    by: str  # comment, config, user


class RunDetail(Model):
    """One run."""

    row: RunRow
    trema: str
    inputs: str | None
    outputs: str | None
    overhead: float | None  # fraction of the time that Trema took
    segments: int
    notes: list[str]
    epochs: list[EpochMark]  # at most 2,000, thinned evenly beyond
    clear: list[str]
    not_assessed: list[NotAssessed]
    failed_checks: list[FailedCheck]
    muted: list[MutedFinding]
    settings: dict[str, str]  # optimizer, learning rate, loss, parameters, versions …, as text
    sources: list[str]  # paths of the files that took part


# findings -----------------------------------------------------------------------------------


class Place(Model):
    """A place in the run's source; ``file`` is as the run recorded it."""

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = None
    source: str | None = None  # path among RunDetail.sources, None when it was not kept
    editor: str | None = None  # vscode://… or the like


class Moment(Model):
    """When; both None before training."""

    step: int | None
    epoch: int | None


class EvidenceItem(Model):
    """What was measured against which limit."""

    fact: str
    name: str
    value: Number | None
    limit: Number | None
    unit: str
    step: int | None
    key: str | None = None  # of the series of this fact, for a plot over time


class FixItem(Model):
    """A change that may help, the cheapest first."""

    text: str
    caution: str | None = None
    diff: str | None = None


class HistoryPoint(Model):
    """The evidence's value when the finding was seen."""

    epoch: int | None
    step: int | None
    value: Number | None


class LinkSet(Model):
    """Where to read on."""

    documentation: str | None = None
    search: str | None = None
    editor: str | None = None


class MuteState(Model):
    """Why a finding is muted."""

    id: str  # of the mute, to take it back
    scope: Scope
    reason: str
    time: float


class Card(Model):
    """One finding. ``key`` is its identity in the run: segment and id."""

    key: str
    id: str
    check: str
    cause: str
    kind: str  # causal or symptom; "" for a check that is not installed
    severity: str
    state: str  # active, gone
    rank: int  # 1 is what to fix first
    explained_by: list[str]  # keys
    segment: int
    ranks: list[int]
    title: str
    message: str  # code in backticks
    confidence: str  # measured, likely, possible
    confirmation: dict[str, Any] | None
    where: dict[str, Any]
    layer: str | None
    parameter: str | None
    location: Place | None
    first: Moment
    last: Moment
    count: int
    spans: list[tuple[int, int]]  # epochs in which it was seen, first and last of each stretch
    history: list[HistoryPoint]
    evidence: list[EvidenceItem]
    fixes: list[FixItem]
    links: LinkSet
    mute: MuteState | None
    revision: int


class CardPage(Model):
    """Findings that changed since the cursor, and the order of all."""

    cards: list[Card]
    order: list[str]  # keys of all findings, the most urgent first, muted ones last
    revision: int  # a cursor of its own: pass as ``after``; not to be compared with other revisions


class Snippet(Model):
    """Code that shows the mistake or its remedy."""

    framework: str  # keras, torch
    code: str


class CheckPage(Model):
    """What a check looks for; theory for its cards."""

    id: str
    title: str
    cause: str
    kind: str
    severity: str
    theory: str
    may_be_wrong: str
    bad: list[Snippet]
    good: list[Snippet]
    needs: list[str]
    thresholds: dict[str, Any]


# series -------------------------------------------------------------------------------------


class SeriesInfo(Model):
    """A series that can be asked for by its key."""

    key: str
    fact: str
    name: str
    phase: str
    segment: int
    rank: int
    points: int
    unit: str
    axis: Literal["epoch", "step"]


class SeriesList(Model):
    """The series of a run, in order of appearance."""

    series: list[SeriesInfo]
    next: int | None  # pass as ``after``


class SeriesPoints(Model):
    """Points of a series, thinned to what can be shown.

    When ``thinned``, each step stands for a stretch and ``low`` and ``high`` are its extremes, so
    that spikes survive; ``values`` is then the last value of the stretch.
    """

    key: str
    steps: list[int]
    values: list[Number]
    low: list[Number] | None
    high: list[Number] | None
    thinned: bool
    position: int  # points of the series read so far: pass as ``key:position`` for the rest


class SeriesAnswer(Model):
    """The series asked for, in the order asked."""

    series: list[SeriesPoints]
    revision: int


# network ------------------------------------------------------------------------------------


class LayerNode(Model):
    """One layer or functional operation."""

    name: str
    label: str
    kind: str
    class_name: str
    functional: bool
    shape: list[int | None] | None
    parameters: int  # numbers, not tensors
    trainable: int
    used: bool  # False: no value of it reaches the loss, as far as the graph is known
    config: dict[str, Any]
    location: Place | None
    findings: list[str]  # keys


class Network(Model):
    """The network of a segment."""

    segment: int
    segments: int
    layers: list[LayerNode]
    edges: list[tuple[str, str]]
    known: bool  # False: only the list of layers is known, not how they connect
    parameters: int
    trainable: int
    loss: str | None
    optimizers: list[str]


class HeatMap(Model):
    """A fact by layer and stretch of steps.

    cells[i][j] belongs to layers[i] and the steps from edges[j] up to, not including,
    edges[j + 1]; the mean of what was observed there, None where nothing was, "nan" or "inf" where
    a value was not finite.
    """

    fact: str
    unit: str
    segment: int
    layers: list[str]
    edges: list[int]
    cells: list[list[Number | None]]
    findings: list[list[int]]  # how many findings of that layer were seen in that stretch


class Distribution(Model):
    """Quantiles of a tensor."""

    fact: str  # activation-quantiles, gradient-quantiles, weight-quantiles
    name: str
    step: int
    probabilities: list[float]
    values: list[Number]


class CellDetail(Model):
    """What was observed of one layer at the observed step nearest to the one asked for."""

    layer: str
    step: int | None
    facts: dict[str, Number]  # "gradient-norm of 0.weight" -> value
    distributions: list[Distribution]
    findings: list[str]  # keys


# source -------------------------------------------------------------------------------------


class Mark(Model):
    """A line with findings."""

    line: int
    end_line: int
    column: int | None
    end_column: int | None
    keys: list[str]
    severity: str  # the worst


class SourceFile(Model):
    """A file as it was when the run started."""

    path: str
    text: str
    truncated: bool
    marks: list[Mark]


# comparing ----------------------------------------------------------------------------------


class ComparedSetting(Model):
    """A setting side by side; None where a run does not have it."""

    name: str
    values: list[str | None]
    same: bool


class ComparedFinding(Model):
    """A finding side by side."""

    id: str
    check: str
    title: str
    severity: str
    states: list[Literal["active", "gone", "absent"]]
    keys: list[str | None]
    verdict: Literal["appeared", "gone", "remaining"]  # first run to last


class ComparedMetric(Model):
    """A metric and the series of each run; None where a run does not have it."""

    name: str
    phase: str
    axis: Literal["epoch", "step"]  # step: what a program logs itself
    keys: list[str | None]
    last: list[Number | None]


class ComparedSource(Model):
    """The difference of one file between the first run and another."""

    path: str
    run: str
    status: Literal["same", "changed", "added", "removed"]
    diff: str  # unified; "" when same
    before: str | None = None  # its path in the first run, where that was another


class Comparison(Model):
    """Two runs or more."""

    runs: list[RunRow]
    settings: list[ComparedSetting]
    findings: list[ComparedFinding]
    metrics: list[ComparedMetric]
    sources: list[ComparedSource]


# what people do -----------------------------------------------------------------------------


class NewMute(Sent):
    """Silence a finding or a check."""

    scope: Scope
    run: Short | None = None  # needed for the scope run
    check: Short
    finding: Short | None = None  # id of a finding; None: all of the check
    reason: Reason = ""


class Mute(Model):
    """A mute in force."""

    id: str
    scope: Scope
    run: str | None
    check: str
    finding: str | None
    reason: str
    time: float


class Mutes(Model):
    """The mutes in force, the newest first."""

    mutes: list[Mute]


class NewTags(Sent):
    """The tags a run shall have."""

    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32)]


class NewArchived(Sent):
    """Whether a run is put aside."""

    archived: bool


class NewPrune(Sent):
    """Which runs to delete."""

    keep: Annotated[int, Field(ge=0, le=2**31)] | None = None  # this many of the newest stay
    days: Annotated[float, Field(ge=0, le=1e6)] | None = None  # older ones go
    dry: bool = True  # only say which


class Pruned(Model):
    """Runs that were deleted, or would be."""

    runs: list[str]
    dry: bool


# changes ------------------------------------------------------------------------------------


class RunChange(Model):
    """A run that changed."""

    id: str
    revision: int
    state: RunState


class Changes(Model):
    """What changed since a cursor."""

    cursor: str
    runs: list[RunChange]
    removed: list[str]
    all: bool  # the cursor is unknown or too old: read everything again


class EventItem(Model):
    """A record of the journal that is neither a number by step nor a finding."""

    revision: int
    rank: int
    segment: int
    kind: str
    step: int | None
    record: dict[str, Any]


class EventPage(Model):
    """Records after a revision, oldest first."""

    events: list[EventItem]
    next: int  # pass as ``after``


# a client that sends its journal --------------------------------------------------------------


class JournalCursor(Model):
    """How far the journal of one rank has been received."""

    rank: int
    cursor: int  # bytes
    head: str


class Received(Model):
    """The journals of a run."""

    run: str
    journals: list[JournalCursor]
    dropped: int = 0  # records of this request that break a bound and were not kept


class NewRun(Sent):
    """A run that will be sent."""

    metadata: dict[str, Any]


class NewSource(Sent):
    """A file that took part in a run."""

    path: Annotated[str, Field(min_length=1, max_length=1000)]
    text: Annotated[str, Field(max_length=1_000_000)]


class Alert(Model):
    """A rule that tells somebody."""

    name: str
    on: list[str]  # finding, crashed, finished
    level: str
    by: str  # webhook, command, mail
    last: float | None  # when it last told somebody
    error: str | None  # what went wrong then


class Alerts(Model):
    """The rules in force; secrets are left out."""

    alerts: list[Alert]
