"""How values flow through the first step: which axis holds the samples, what of a state is read.

Read once, from what the layers were given and from the autograd graph of the first loss, before
``backward`` frees it. What is told is defined in :data:`trema.core.facts.FLOW_NAMES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from trema.adapters.torch import locate, sampling
from trema.adapters.torch.batch import LossCall
from trema.adapters.torch.future import Future
from trema.adapters.torch.graph import in_order, operation
from trema.core.diagnosis import Location
from trema.source.applied import attention_in, reshape_near
from trema.source.frames import CallSite, call_site

#: Values of an input that are compared, at most.
COMPARED = 4_000_000
#: Rows below which the share of padding tells nothing.
LEAST_ROWS = 8
#: Shorter runs of one id at the end of a row may be tokens.
LEAST_RUN = 3
_READERS = frozenset({"recurrent", "attention", "linear", "conv", "embedding"})
#: Operations behind which a step of a sequence is still the same step.
_STILL = frozenset({"Slice", "Alias", "Clone", "Contiguous"})


@dataclass
class _Read:
    """What a layer was given first."""

    layer: str
    kind: str
    given: Tensor
    output: Any  # grad_fn
    site: CallSite | None


@dataclass
class _State:
    """A recurrent layer's output over time, and its last states."""

    layer: str
    given: Tensor
    time: int  # its axis in the output
    outputs: set[tuple[Any, int]]  # node and number of its output
    states: set[tuple[Any, int]]
    site: CallSite | None
    both: bool  # runs both ways


class Flow:
    """Looks at one model until its first loss is described."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._future = Future(model)
        self.places: dict[str, Location] = {}  # by role
        self.forget()
        self._listening = True
        sampling.listen()

    def forget(self) -> None:
        """A step begins anew."""
        self._reads: dict[str, _Read] = {}
        self._states: list[_State] = []
        self._drawn: dict[str, sampling.Draw] = {}  # by the layer that reads it
        self._future.forget()

    def done(self) -> None:
        """Nothing more is looked at."""
        self.forget()
        if self._listening:
            self._listening = False
            sampling.leave()

    def after_layer(
        self, name: str, kind: str, module: nn.Module, given: tuple[Any, ...], output: Any
    ) -> None:
        """A layer ran in a forward pass with gradients."""
        first = given[0] if given else None
        if not isinstance(first, Tensor) or name in self._reads:
            return
        site = call_site() if kind in _READERS else None
        out = output if isinstance(output, Tensor) else None
        if kind in _READERS:
            node = _first_node(output)
            self._reads[name] = _Read(name, kind, first, node, site)
            draw = sampling.drawn_in(first)
            if draw is not None:
                self._drawn[name] = draw
        if isinstance(module, nn.RNNBase):
            self._note_state(name, module, first, output, site)
        if out is not None:
            self._future.after_layer(name, kind, first, out)

    def _note_state(
        self, name: str, module: nn.RNNBase, given: Tensor, output: Any, site: CallSite | None
    ) -> None:
        if given.ndim != 3 or not isinstance(output, tuple) or len(output) != 2:
            return
        series, last = output
        if isinstance(series, PackedSequence):
            return
        last = last if isinstance(last, tuple) else (last,)
        time = 1 if module.batch_first else 0
        self._states.append(
            _State(
                name,
                given,
                time,
                set(_outputs((series,))),
                set(_outputs(last)),
                site,
                bool(module.bidirectional),
            )
        )

    # the first loss -----------------------------------------------------------------------

    def read(self, root: Any, call: LossCall | None, inputs: Mapping[str, Tensor]) -> Any:
        """What the first step showed, as the data of an observation."""
        order = in_order(root) if root is not None else None
        found: dict[str, Any] = {}
        if order is None:
            return found
        nodes = set(order)
        batch = _samples(call, inputs)
        if batch is not None:
            found["swapped"] = [*self._given_anew(batch, inputs), *self._viewed(order, batch)]
            found["states"] = list(self._last_states(order, nodes, batch, inputs))
        if call is not None and (future := self._future.read(order, call, inputs)):
            found["future"] = future | self._looks_ahead()
        found["samples"] = list(self._samples_read(nodes))
        found["unread"] = list(self._unread(nodes, inputs))
        return found

    def _looks_ahead(self) -> dict[str, Any]:
        """The layer that probably joins the positions, and its place."""
        kinds = ("attention", "recurrent", "conv")
        read = next((r for k in kinds for r in self._reads.values() if r.kind == k), None)
        place = "flow:future"
        written = attention_in(locate.user_files())
        if read is not None and (read.kind == "attention" or written is None):
            self._place(place, read.site)
        elif written is not None:
            self.places[place] = written
        return {"layer": read.layer if read is not None else None, "place": place}

    def _place(self, role: str, site: CallSite | None, *, moved: bool = False) -> str:
        """Keep a place; ``moved``: the reshape near it, where there is one only."""
        found = site.resolve() if site is not None else None
        if found is not None:
            self.places[role] = (reshape_near(found) if moved else None) or found
        return role

    def _given_anew(self, batch: int, inputs: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
        """Layers that were given an input of the model in its flat order under other axes."""
        for read in self._reads.values():
            shape = tuple(read.given.shape)
            if len(shape) < 3 or not _moved(shape, batch) or read.kind == "embedding":
                continue
            for x in inputs.values():
                if x.shape[0] == batch and x.ndim > 1 and _same_order(x, read.given):
                    place = self._place(f"flow:{read.layer}", read.site, moved=True)
                    yield _change(read.layer, x.shape, shape, place)
                    break

    def _viewed(self, order: list[Any], batch: int) -> Iterator[dict[str, Any]]:
        """Reshapes in the graph after which the axis of the samples stands elsewhere."""
        of_state = {pair: s for s in self._states for pair in s.states}
        of_series = {pair: s for s in self._states for pair in s.outputs}
        readers = {s.given.grad_fn: s for s in self._states}
        for node in order:
            before = _sizes_before(node)
            after = _sizes_after(node)
            if before is None or after is None or len(before) < 2:
                continue
            parent = next(iter(node.next_functions), (None, 0))
            made = of_state.get(parent) or of_series.get(parent)
            reader = readers.get(node)
            if reader is not None and reader.time == 0 and len(after) == 3:
                # (sample, …) became (time, sample, …) by a view
                if before[0] == batch and _moved(after, batch):
                    place = self._place(f"flow:{reader.layer}", reader.site, moved=True)
                    yield _change(reader.layer, before, after, place)
            elif made is not None and (parent in of_state or made.time == 0):
                # (layer or time, sample, …) became (sample, …)
                joined = len(before) > 2 and _moved(before, batch)
                if joined and after[0] == batch:
                    place = self._place(f"flow:{made.layer}", made.site, moved=True)
                    yield _change(made.layer, before, after, place)

    def _last_states(
        self, order: list[Any], nodes: set[Any], batch: int, inputs: Mapping[str, Tensor]
    ) -> Iterator[dict[str, Any]]:
        if len(self._states) != 1 or self._states[0].both or batch < LEAST_ROWS:
            return
        state = self._states[0]
        width = state.given.shape[state.time]
        if state.given.shape[1 - state.time] != batch or width < 2:
            return
        uses = _uses(order, state, width)
        if uses != {"last"}:
            return
        padding = _padding(state, batch, width, inputs)
        if padding is not None:
            yield {
                "layer": state.layer,
                "padding": padding,
                "width": int(width),
                "rows": int(batch),
                "place": self._place(f"flow:{state.layer}", state.site),
            }

    def _samples_read(self, nodes: set[Any]) -> Iterator[dict[str, Any]]:
        for layer, draw in self._drawn.items():
            if draw.scored or self._reads[layer].output not in nodes:
                continue
            place = self._place("flow:sample", draw.site)
            yield {"layer": layer, "kind": draw.kind, "place": place}

    def _unread(self, nodes: set[Any], inputs: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
        """Inputs that only layers read which do not reach the loss, while all are read."""
        if len(inputs) < 2:
            return
        readers = {
            name: [r for r in self._reads.values() if _shares(r.given, x)]
            for name, x in inputs.items()
        }
        if not all(readers.values()):
            return
        for name, found in readers.items():
            if all(r.output is not None and r.output not in nodes for r in found):
                place = self._place(f"flow:{found[0].layer}", found[0].site)
                yield {"input": name, "layers": [r.layer for r in found], "place": place}


def _first_node(output: Any) -> Any:
    part = output
    while isinstance(part, tuple | list) and part:
        part = part[0]
    return getattr(part, "grad_fn", None)


def _outputs(tensors: tuple[Any, ...]) -> Iterator[tuple[Any, int]]:
    for tensor in tensors:
        if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
            yield tensor.grad_fn, tensor.output_nr


def _samples(call: LossCall | None, inputs: Mapping[str, Tensor]) -> int | None:
    """Samples of the batch, where each has one target; None where that is not sure."""
    sizes = {x.shape[0] for x in inputs.values() if x.ndim > 1}
    target = call.target if call is not None else None
    if len(sizes) != 1 or target is None or not target.ndim:
        return None
    batch = int(next(iter(sizes)))
    if batch < 3 or target.shape[0] != batch:
        return None
    one_each = all(n == 1 for n in target.shape[1:])
    steps = any(x.shape[:2] == target.shape[:2] for x in inputs.values())
    vectors = target.ndim == 2 and target.is_floating_point() and not steps
    return batch if one_each or vectors else None


def _moved(shape: tuple[int, ...], batch: int) -> bool:
    """Whether the samples stand on the second axis, and the first is not one merged with them."""
    return shape[0] > 1 and shape[1] == batch and shape[0] % batch != 0


def _same_order(x: Tensor, given: Tensor) -> bool:
    """Whether a tensor holds the values of another in the same flat order."""
    if x.numel() != given.numel() or not x.is_contiguous():
        return False
    if given.data_ptr() == x.data_ptr() and given.is_contiguous() and given.dtype == x.dtype:
        return True
    if x.numel() > COMPARED or x.is_cuda or not given.is_floating_point():
        return False
    flat = x.detach().reshape(-1).to(given.dtype)
    rows = x.detach().reshape(x.shape[0], -1)
    alike = bool((rows == rows[:1]).all())  # equal samples cannot be told apart
    return not alike and torch.equal(flat, given.detach().reshape(-1))


def _shares(given: Tensor, x: Tensor) -> bool:
    return given is x or (given.data_ptr() == x.data_ptr() and given.numel() == x.numel())


def _change(layer: str, before: Any, after: Any, place: str) -> dict[str, Any]:
    return {"layer": layer, "from": list(map(int, before)), "to": list(map(int, after))} | {
        "place": place
    }


def _sizes_before(node: Any) -> tuple[int, ...] | None:
    if operation(node) not in ("View", "UnsafeView", "ReshapeAlias"):
        return None
    sizes = getattr(node, "_saved_self_sym_sizes", None)
    if not isinstance(sizes, tuple | list) or not all(isinstance(n, int) for n in sizes):
        return None
    return tuple(sizes)


def _sizes_after(node: Any) -> tuple[int, ...] | None:
    try:
        return tuple(int(size) for size in node._input_metadata[0].shape)
    except (AttributeError, IndexError, TypeError, ValueError, RuntimeError):
        return None


def _uses(order: list[Any], state: _State, width: int) -> set[str]:
    """How the loss reads what a recurrent layer gives: ``last`` step or state, or ``other``."""
    series, found = set(state.outputs), set()
    for node in order:
        for pair in node.next_functions:
            if pair in state.states and pair not in state.outputs:
                found.add("last")
            elif pair in series:
                if _is_last(node, state.time, width):
                    found.add("last")
                elif operation(node) in _STILL:
                    series.add((node, 0))
                else:
                    found.add("other")
    return found


def _is_last(node: Any, time: int, width: int) -> bool:
    if operation(node) != "Select":
        return False
    axis, index = getattr(node, "_saved_dim", None), getattr(node, "_saved_index", None)
    if not isinstance(axis, int) or not isinstance(index, int):
        return False
    axis, index = (n - 2**64 if n >= 2**63 else n for n in (axis, index))
    return axis % 3 == time and index in (-1, width - 1)


def _padding(state: _State, batch: int, width: int, inputs: Mapping[str, Tensor]) -> float | None:
    """The share of positions behind the last token of a row; None where that is not known."""
    shape = (batch, width) if state.time else (width, batch)
    integer = (torch.int64, torch.int32)
    for x in inputs.values():
        if x.dtype in integer and tuple(x.shape) == shape:
            rows = x if state.time else x.T
            return _runs(rows)
    if state.given.grad_fn is None and state.given.is_floating_point():
        given = state.given if state.time else state.given.transpose(0, 1)
        empty = (given.detach() == 0).all(-1)
        return _share(empty)
    return None


def _runs(rows: Tensor) -> float | None:
    """The share of a row that repeats one id at its end, the same in most of the rows."""
    last = rows[:, -1]
    pad = last.mode().values
    if (last == pad).float().mean() < 0.5 or bool((rows[:, 0] == pad).float().mean() > 0.1):
        return None
    return _share(rows == pad)


def _share(empty: Tensor) -> float:
    behind = empty.int().flip(1).cumprod(1).sum(1)
    behind = behind * (behind >= LEAST_RUN)
    return float(behind.float().mean() / empty.shape[1])
