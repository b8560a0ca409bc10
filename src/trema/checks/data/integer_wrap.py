"""Integers that left the range of their type and came back at its other end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import classes, given, pictures, place, sketches, table
from trema.core.datasets import InputSketch
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class IntegerWrap(Check):
    """Numbers of 16 or 32 bits, or pixels of 8, that show the trace of an overflow.

    Why it matters: large numbers became small or negative ones; what was the brightest pixel is
    now the darkest, and no scaling brings it back.
    May be wrong when: the numbers are codes, or the two ends really occur without a middle.
    References: NumPy user guide, Data types, on overflow of fixed-size integers.
    """

    id = "integer-wrap"
    title = "integers wrapped around"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("convert before computing: `x.astype(np.float32)`, then subtract or multiply"),
        Fix("read the file with the type it was written in, such as `np.uint8` for pixels"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="numpy integer overflow uint8 int8 images negative",
        torch="Tensor.to",
        keras="ops/core",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for found in sketches(history, TRAIN):
            told = False
            for name, one in found.inputs.items():
                if one.wraps:
                    told = True
                    yield self._found(history, name, one)
            if told:
                return

    def _found(self, history: History, name: str, one: InputSketch) -> Diagnosis:
        wrap, columns = one.wraps[0], one.columns
        if wrap.column is None or columns is None:
            kind = f" of type `{one.dtype}`" if one.dtype == "int8" else ""
            message = (
                f"{percent(wrap.share)} of the pixels{kind} are negative, and images are smooth "
                "once 256 levels are added to these: bytes from 128 to 255 were read as -128 to -1"
            )
        else:
            label = columns.label(wrap.column)
            how = (
                f"lie near {-(2 ** (wrap.bits - 1))}, none between there and zero, as numbers "
                f"above {2 ** (wrap.bits - 1) - 1} do"
                if wrap.signed
                else f"lie just below {2**wrap.bits}, as numbers below zero do without a sign"
            )
            message = f"{percent(wrap.share)} of {label} {how}"
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, wrap.share, limit=0.0, unit="of the values", name=name),
            where=Where(
                input=name or None,
                split=TRAIN,
                columns=tuple(
                    columns.name(w.column)
                    for w in one.wraps
                    if columns is not None and w.column is not None
                ),
                rows=wrap.rows,
                samples=wrap.rows,
            ),
            location=place(history.run),
            confidence="likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        image = RunInfo(inputs="image", outputs="classification")
        images, y = pictures(), classes()
        yield fires("bytes read as signed", given(images.view(np.int8), y[:200], image))
        edged = np.where(images < 60, 0, images)
        signed = edged.view(np.int8).astype(np.float32) / 255
        yield fires("the same as a part of one, on black", given(signed, y[:200], image))
        flat = RunInfo(inputs="tabular", outputs="classification")
        yield fires("the same, flattened", given(signed.reshape(200, -1), y[:200], flat))
        x = table()
        people = np.round(np.abs(table(seed=4)) * 15000)
        people[:, 1:] = x[:, 1:]
        wrapped = people.copy()
        wrapped[:, 0] = people[:, 0].astype(np.int64).astype(np.int16)
        yield fires("a count kept in 16 bits", given(wrapped, y))
        below = np.round(np.abs(x) * 100)
        below[::40, 2] = 65535
        yield fires("minus one without a sign", given(below, y))
        yield quiet("bytes", given(images, y[:200], image))
        centred = (images.astype(np.int16) - 128).astype(np.int8)
        yield quiet("bytes minus 128", given(centred, y[:200], image))
        for name, numbers in (
            ("-1 to 1", images / 127.5 - 1),
            ("standardized", (images - images.mean()) / images.std()),
            ("on black, around zero", (edged.astype(np.float32) - 128) / 128),
            ("black on white, around zero", np.where(images < 128, -1.0, 127 / 128)),
        ):
            yield quiet(name, given(numbers.astype(np.float32), y[:200], image))
        yield quiet("counts", given(people, y))
        sound = np.clip(np.round(x * 9000), -32768, 32767)
        yield quiet("sound of 16 bits", given(sound, y))
        yield quiet("one large number of many", given(np.round(np.abs(x) ** 9), y))
