"""Images whose axes were reshaped where they should have been moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import classes, given, pictures, place, sketches, subject
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, Phase, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class ImageReshaped(Check):
    """Images that are smooth only when channels are read from the other end of their shape.

    Why it matters: a reshape keeps the order in memory and only cuts it anew, so that rows and
    colours are mixed: neighbouring values no longer are neighbouring pixels, and a convolution
    finds no edges.
    May be wrong when: the images are no photographs, and the mixed pattern is what they are.
    References: NumPy, `moveaxis`; PyTorch, `Tensor.permute` beside `Tensor.view`; the layout of the
    CIFAR files (Krizhevsky 2009), whose rows are three planes.
    """

    id = "image-reshaped"
    title = "images are reshaped where axes should be moved"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("move the axis: `x.permute(0, 3, 1, 2)` or `np.moveaxis(x, -1, 1)`"),
        Fix("for rows of planes: `x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)`"),
        Fix("draw a few images right before they enter the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="reshape vs transpose image channels {framework}",
        torch="permute",
        keras="ops/numpy",
    )
    times: float = 2.0  # differences of neighbouring pixels over those in the other layout

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        phases: tuple[Phase, ...] = (TRAIN, VALIDATION)
        for phase in phases:
            for found in sketches(history, phase):
                for name, one in found.inputs.items():
                    if one.reshaped is not None and one.reshaped >= self.times:
                        yield self._found(history, phase, name, one.shape, one.reshaped)
                        return

    def _found(
        self, history: History, phase: Phase, name: str, shape: tuple[int, ...], times: float
    ) -> Diagnosis:
        first = shape[0] in (3, 4)
        height, width, channels = shape[1:] + shape[:1] if first else shape
        other = (height, width, channels) if first else (channels, height, width)
        message = (
            f"{subject(name)} of shape {shape} are smooth images only when the same memory is read "
            f"as {other}: as they are, neighbouring pixels differ {show(times)} times as much"
        )
        run = history.run
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, times, limit=self.times, unit="times", name=name),
            where=Where(input=name or None, split=phase),
            location=(run.place("data-source") if phase == TRAIN else None) or place(run, phase),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        photos = _photos()
        y = classes(len(photos))
        run = RunInfo(inputs="image", outputs="classification")
        planes = np.ascontiguousarray(photos.transpose(0, 3, 1, 2))
        yield fires("rows of pixels cut into planes", given(photos.reshape(planes.shape), y, run))
        yield fires("planes cut into pixels", given(planes.reshape(photos.shape), y, run))
        yield quiet("moved to planes", given(planes, y, run))
        yield quiet("pixels as they are", given(photos, y, run))
        noise = np.random.default_rng(1).normal(size=(60, 3, 12, 12))
        yield quiet("noise", given(noise, y[:60], run))
        yield quiet("one channel", given(pictures(60), y[:60], run))
        stripes = np.tile(np.array([0.0, 1.0, 2.0]), 4)[None, None, None, :]
        mixed = planes / 255 + 0.2 * stripes
        yield quiet("stripes of three pixels", given(mixed, y, run))
        gray = np.repeat(planes[:, :1], 3, axis=1)
        yield quiet("three equal channels", given(gray, y, run))


def _photos() -> np.ndarray:
    """For cases: smooth images of shape (sample, 12, 12, 3) whose colours go together."""
    base = pictures(120, seed=3).astype(np.float64)
    tint = np.random.default_rng(4).uniform(0.5, 1.0, size=(120, 1, 1, 3))
    return np.asarray(base * tint)
