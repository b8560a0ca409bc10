"""``trema travel anomalies``: the samples that went through the training otherwise than most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.cli.travel import Opened, Wanted, line, open_movie, told
from trema.core.errors import UsageError
from trema.core.numbers import dumps
from trema.travel.abnormality import Scores, anomalies, discovery_rate


def list_anomalies(
    wanted: Wanted,
    *,
    threshold: float,
    count: int,
    unseen: str | None,
    held: str | None,
    as_json: bool,
) -> None:
    """Print the most abnormal samples of a movie, or of a split that is not in it.

    held : a split of ordinary samples that the movie does not hold either, by which the scores of
        ``unseen`` are calibrated
    """
    if held is not None and (unseen is None or held == unseen):
        raise UsageError(
            "expected --held with --unseen of another split, whose scores it calibrates, but got "
            f"--unseen {unseen or 'not at all'}"
        )
    opened = open_movie(wanted)
    calm = None if held is None else _placed(opened, held, "--held")
    made = anomalies(opened.movie, opened.logits, threshold, held=calm)
    found: Scores = made.seen
    if unseen is not None:
        found = made.score(*_placed(opened, unseen, "--unseen"))
        opened = replace(opened, split=unseen)
    scores = np.nan_to_num(found.scores, nan=-1.0)
    order = np.argsort(-scores, kind="stable")[: min(count, int((scores >= 0).sum()))]
    rows = []
    for place in order.tolist():
        features = {name: float(values[place]) for name, values in found.by_feature.items()}
        rows.append(
            {
                **told(opened, place),
                "score": float(found.scores[place]),
                "flagged": bool(found.flags[place]),
                "features": features,
            }
        )
    if as_json:
        about = {
            "threshold": threshold,
            "split": opened.split,
            "above": int((scores > threshold).sum()),
            "flagged": opened.named(np.flatnonzero(found.flags)),
            "excluded": opened.named(found.excluded),
            "samples": rows,
        }
        print(dumps(about, indent=2))
        return
    print(flags_in_words(found, threshold, opened.split))
    for row in rows:
        most = max(row["features"], key=lambda name: row["features"][name])
        mark = "!" if row["flagged"] else " "
        print(f"{mark} {row['score']:.4f}  {line(row)}, most by its {most}")


def flags_in_words(found: Scores, threshold: float, split: str) -> str:
    """How many samples are flagged, and why so many."""
    flagged, above = int(found.flags.sum()), int((found.scores > threshold).sum())
    text = (
        f"{flagged:,} of {len(found.scores):,} {split} samples are flagged: "
        f"{above:,} score above {threshold:g}"
    )
    if flagged == above:
        return text
    return (
        f"{text}, {flagged - above:,} more since so many stand out "
        f"(about {discovery_rate(threshold):.2g} of the flags may be false)"
    )


def _placed(
    opened: Opened, split: str, option: str
) -> tuple[NDArray[np.float32], list[NDArray[Any]]]:
    """The samples of a split that the movie does not hold: their positions on it, and logits."""
    recording = opened.recording
    shared = set(recording.names(split)) & set(recording.names(opened.split))
    if shared:
        raise UsageError(
            f"expected a split that the movie does not hold but {', '.join(shared)} is in it: "
            f"leave out {option}"
        )
    frames = recording.representations(split)
    places = np.stack([opened.movie.project(x, epoch) for epoch, x in enumerate(frames)])
    return places, replace(opened, split=split).logits
