"""Forward passes of a PyTorch network over fixed samples, which leave the training as it was."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trema.travel.record.head import Head, Refused, called, checked_outputs, meaning_of
from trema.travel.record.options import RecordOptions
from trema.travel.record.passing import Found, Pass, head_among
from trema.travel.record.rows import Rows
from trema.travel.record.sources import Source
from trema.travel.record.undisturbed import undisturbed
from trema.travel.record.writer import Frame

#: Samples of the pass that finds the head.
_TRIED = 8


class TorchPass(Pass):
    """Passes of one network.

    Parameters
    ----------
    model : a plain module, not wrapped for several devices
    sources : the splits
    options : of the recording

    Raises
    ------
    Refused
        When the network has no linear head that can be shown, or cannot run on the samples.
    """

    def __init__(
        self, model: nn.Module, sources: Mapping[str, Source], options: RecordOptions
    ) -> None:
        self.model = model
        self.sources = dict(sources)
        self.options = options
        with undisturbed(model, self.sources.values()):
            self._head, self.layer, self.outputs, self._sigmoid, self._later = self._find()
        self.width = self._head.in_features

    def describe(self) -> Found:
        """What was found, and the labels, read once."""
        with undisturbed(self.model, self.sources.values()):
            labels = {name: self._labels(source) for name, source in self.sources.items()}
        meaning = meaning_of(labels, self.outputs, stated=self.options.kind, sigmoid=self._sigmoid)
        return Found(self.layer, meaning, self.width, self.outputs, self._later)

    def run(self) -> tuple[dict[str, Frame], Head, float]:
        """Frames by split, the head, and the seconds that it took."""
        started = time.perf_counter()
        frames = {}
        with undisturbed(self.model, self.sources.values()):
            for name, source in self.sources.items():
                frames[name] = self._frame(source)
        weights, bias = self._head.weight, self._head.bias
        head = Head.of(_numpy(weights), None if bias is None else _numpy(bias))
        return frames, head, time.perf_counter() - started

    def _frame(self, source: Source) -> Frame:
        seen: list[tuple[Tensor, Tensor]] = []

        def keep(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            seen[:] = [(given[0].detach(), output.detach())]

        frame = Frame(Rows(len(source)), Rows(len(source)))
        handle = self._head.register_forward_hook(keep)
        try:
            for inputs, _ in source.batches(self.options.batch):
                seen.clear()
                self._call(inputs)
                if not seen:
                    raise Refused(f"{called(self.layer)} did not run on the samples")
                frame.representations.add(_numpy(seen[0][0]))
                frame.logits.add(_numpy(seen[0][1]))
        finally:
            handle.remove()
        return frame

    def _labels(self, source: Source) -> NDArray[Any] | None:
        found = []
        for _, labels in source.batches(self.options.batch):
            if labels is None:
                return None
            found.append(_numpy(labels) if isinstance(labels, Tensor) else np.asarray(labels))
        return np.concatenate(found)

    # the network --------------------------------------------------------------------------

    def _call(self, inputs: Any) -> Any:
        device, dtype = _place(self.model)
        x = _moved(inputs, device, dtype)
        with torch.autocast(device.type, enabled=False):
            if isinstance(x, tuple):
                return self.model(*x)
            if isinstance(x, Mapping):
                names = _parameters(self.model)
                if names is None or set(x) & names:
                    return self.model(**{k: v for k, v in x.items() if not names or k in names})
            return self.model(x)

    def _find(self) -> tuple[nn.Linear, str, int, bool, str | None]:
        """The head, its name and outputs, whether the network ends in a sigmoid, and the layer
        that runs last where another was named."""
        source = next(iter(self.sources.values()))
        linear = {name: m for name, m in self.model.named_modules() if isinstance(m, nn.Linear)}
        wanted = self.options.layer
        if wanted is not None and wanted not in linear:
            raise Refused(
                f"there is no linear layer {wanted!r} to record: choose one of "
                f"{', '.join(list(linear)[-8:]) or 'none, since the network has none'}"
            )
        ran: list[tuple[str, Tensor, Tensor]] = []
        handles = [
            module.register_forward_hook(_noting(name, ran)) for name, module in linear.items()
        ]
        inputs, _ = next(source.batches(min(_TRIED, len(source))))
        try:
            result = self._call(inputs)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise Refused(
                "the network could not run on the travel data, which must be what the training "
                f"loop gives it ({reason})"
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        if not ran:
            raise Refused(
                "no linear layer ran in a forward pass: time travel needs a network whose last "
                "layer is linear, or layer= that names one"
            )
        output = _main(result)

        def gives(logits: Tensor, any_of_them: bool = False) -> bool:
            shown = _tensors(result) if any_of_them else [output]
            return any(one is not None and _shows(one, logits) for one in shown)

        name, given, logits = head_among(ran, wanted, gives)
        outputs = checked_outputs(tuple(logits.shape), min(_TRIED, len(source)), name)
        if given.ndim != 2:
            raise Refused(
                f"{called(name)} reads tensors of {given.ndim} axes, not one row a sample"
            )
        plain = gives(logits)
        if wanted is None and not plain:
            raise Refused(
                f"the network's output is not that of its last linear layer `{name}`: name the "
                "layer that gives the logits with travel_options={'layer': …}"
            )
        sigmoid = plain and output is not None and _shows(output, logits, sigmoid=True)
        later = ran[-1][0] if ran[-1][0] != name else None
        return linear[name], name, outputs, sigmoid, later


def _shows(output: Tensor, logits: Tensor, *, sigmoid: bool = False) -> bool:
    """Whether an output is these logits or probabilities made of them; or only their sigmoid."""
    if output.numel() != logits.numel():
        return False
    shown, raw = output.detach().reshape(logits.shape).float(), logits.float()
    if sigmoid:
        return torch.allclose(shown, raw.sigmoid(), atol=1e-4)
    forms = (raw, raw.softmax(-1), raw.log_softmax(-1), raw.sigmoid())
    return any(torch.allclose(shown, form, atol=1e-3, equal_nan=True) for form in forms)


def _tensors(output: Any) -> list[Tensor]:
    """All tensors in what a network returns."""
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, tuple | list):
        return [tensor for part in output for tensor in _tensors(part)]
    return [output] if isinstance(output, Tensor) else []


def _noting(name: str, ran: list[tuple[str, Tensor, Tensor]]) -> Any:
    def note(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        ran.append((name, given[0].detach(), output.detach()))

    return note


def _main(output: Any) -> Tensor | None:
    """The logits in what a network returns."""
    if hasattr(output, "logits"):
        output = output.logits
    while isinstance(output, Mapping | tuple | list) and output:
        if isinstance(output, Mapping):
            output = output["logits"] if "logits" in output else next(iter(output.values()))
        else:
            output = output[0]
    return output if isinstance(output, Tensor) else None


def _parameters(model: nn.Module) -> set[str] | None:
    """Names that ``forward`` takes; None when it takes any."""
    parameters = inspect.signature(model.forward).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters}


def _place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    first = next(model.parameters(), None)
    if first is None:
        return torch.device("cpu"), torch.float32
    floating = next((p.dtype for p in model.parameters() if p.is_floating_point()), first.dtype)
    return first.device, floating


def _moved(inputs: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _moved(part, device, dtype) for name, part in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(_moved(part, device, dtype) for part in inputs)
    tensor = inputs if isinstance(inputs, Tensor) else torch.as_tensor(np.asarray(inputs))
    return tensor.to(device, dtype if tensor.is_floating_point() else None)


def _numpy(tensor: Tensor) -> NDArray[Any]:
    values = tensor.detach()
    if values.dtype == torch.bfloat16:
        values = values.float()
    return np.array(values.cpu().numpy())


def collate(samples: list[Any]) -> Any:
    """A batch of samples, as a loader without a function of its own makes it."""
    return torch.utils.data.default_collate(samples)
