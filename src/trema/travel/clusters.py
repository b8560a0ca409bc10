"""The detector of DeepDebugger (FSE 2023, section 4.2), kept so that it can be compared with.

Birch clusters of each feature, k = 30; a sample's score is one minus the share of its cluster,
and the largest over the features counts. An unseen sample belongs to the nearest cluster whose
centre is no farther than its radius (the farthest member), else it scores like a cluster of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import MissingExtra

Floats = NDArray[np.float32]
#: Clusters of a feature (the paper, section 6).
CLUSTERS = 30
#: Subclusters that the final step is given at most: it compares all pairs, 200 MB at 5,000 and
#: 10 GB at 50,000. Past it the threshold is doubled and the tree built anew, as Birch itself
#: does when memory runs out (Zhang et al. 1996, section 5).
SUBCLUSTERS = 5000
#: Birch's threshold in the library that the authors use.
_THRESHOLD = 0.5
#: cosine: rows of length one, as the text says; raw: rows as they are, as the code does.
Similarity = Literal["cosine", "raw"]
#: Rows that the threshold is first tried on when there are more samples than subclusters.
_TRIED = 4000
_ROWS = 4096


@dataclass(frozen=True)
class _Clusters:
    centres: Floats
    radii: Floats
    scores: Floats
    alone: float  # the score of a cluster of one


@dataclass(frozen=True)
class PaperDetector:
    """Clusters of each feature."""

    clusters: Mapping[str, _Clusters]
    similarity: Similarity

    def rate(self, rows: Mapping[str, Floats]) -> dict[str, Floats]:
        """Scores (n,) of unseen samples by feature, from 0 to 1."""
        return {
            name: _placed(_similar(rows[name], self.similarity), found)
            for name, found in self.clusters.items()
        }


def paper_detector(
    rows: Mapping[str, Floats], similarity: Similarity
) -> tuple[PaperDetector, dict[str, Floats]]:
    """The detector and the scores (n,) of the samples it was made from, by feature."""
    clusters, seen = {}, {}
    for name, values in rows.items():
        like = _similar(values, similarity)
        members = _birch(like)
        names, at, sizes = np.unique(members, return_inverse=True, return_counts=True)
        centres = np.stack([like[at == i].mean(axis=0) for i in range(len(names))])
        apart = np.linalg.norm(like - centres[at], axis=1)
        radii = np.zeros(len(names), dtype=np.float32)
        np.maximum.at(radii, at, apart)
        scores = (1.0 - sizes / len(like)).astype(np.float32)
        clusters[name] = _Clusters(centres, radii, scores, 1.0 - 1.0 / len(like))
        seen[name] = scores[at]
    return PaperDetector(clusters, similarity), seen


def _birch(rows: Floats) -> NDArray[np.int64]:
    try:
        from sklearn.cluster import AgglomerativeClustering, Birch
    except ImportError as error:
        raise MissingExtra("parity mode", "travel") from error
    threshold = _THRESHOLD
    if len(rows) > SUBCLUSTERS:  # where a part of the rows shows that it is too low, try no more
        some = rows[:: -(-len(rows) // _TRIED)]
        while len(Birch(threshold=threshold, n_clusters=None).fit(some).subcluster_centers_) > (
            len(some) // 2
        ):
            threshold *= 2
    while True:
        tree = Birch(threshold=threshold, n_clusters=None).fit(rows)
        centres = tree.subcluster_centers_
        if len(centres) <= SUBCLUSTERS:
            break
        threshold *= 2
    at = np.asarray(tree.labels_, dtype=np.int64)
    if len(centres) <= CLUSTERS:
        return at
    final = AgglomerativeClustering(n_clusters=CLUSTERS).fit_predict(centres)
    return np.asarray(final[at], dtype=np.int64)


def _similar(rows: Floats, similarity: Similarity) -> Floats:
    """Rows whose Euclidean distance orders pairs as the similarity does."""
    if similarity == "raw":
        return rows
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(size, np.float32(1e-12)))


def _placed(rows: Floats, found: _Clusters) -> Floats:
    result = np.empty(len(rows), dtype=np.float32)
    for at in range(0, len(rows), _ROWS):
        part = rows[at : at + _ROWS]
        apart = np.stack([np.linalg.norm(part - centre, axis=1) for centre in found.centres], 1)
        inside = apart <= found.radii
        nearest = np.where(inside, apart, np.inf).argmin(axis=1)
        result[at : at + _ROWS] = np.where(
            inside.any(axis=1), found.scores[nearest], np.float32(found.alone)
        )
    return result
