"""Shapes that do not fit, as PyTorch tells them."""

from __future__ import annotations

import math
import re

from trema.core.diagnosis import Cause, Fix
from trema.core.facts import RunInfo
from trema.diagnosis.crash import Crash, Explained, LayerSeen, Rule, numbers, shape, sizes

_IF_RIGHT = "only if that is what should arrive there"


def _of(layer: LayerSeen | None, *classes: str) -> LayerSeen | None:
    """The layer when its class is one of these, in any number of dimensions."""
    if layer is None:
        return None
    name = layer.class_name.removeprefix("Lazy").removeprefix("Quantized")
    return layer if name.rstrip("123d") in classes else None


def _linear(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    rows, got, wanted, _ = map(int, match.groups())
    layer = _of(crash.layer, "Linear")
    if layer is None:
        return Explained(
            message=f"matrices of shapes ({rows}, {got}) and ({wanted}, {match[4]}) were to be "
            f"multiplied: the {got} columns of the first are not the {wanted} rows of the second",
            fixes=(
                Fix("make the two inner sizes equal, or transpose one of the two (`.T`)"),
                Fix("print both shapes on the line before, and find where the wrong one is made"),
            ),
            cause=Cause.ARCHITECTURE,
            layer=crash.layer,
            evidence=sizes(got, wanted, "columns", crash.layer),
        )
    given = next((array.shape for array in layer.arrays if len(array.shape) > 1), (rows, got))
    units = layer.options.get("out_features", "…")
    fixes = [
        Fix(f"make {layer.label} take {got} features: `nn.Linear({got}, {units})`", _IF_RIGHT),
        Fix(f"change the layers before {layer.label}, so that {wanted} features arrive"),
    ]
    if len(given) > 2 and math.prod(given[1:]) == wanted:
        text = f"flatten before {layer.label}: `x.flatten(1)` makes {wanted} features of "
        fixes.insert(0, Fix(text + f"{shape(given[1:])}"))
    elif len(given) > 2 and given[1] == wanted:
        fixes.insert(0, Fix("move the features to the last axis: `x.movedim(1, -1)`"))
    elif len(given) == 2 and given[0] == wanted:
        fixes.insert(0, Fix("the batch axis must come first: `x.T`"))
    return Explained(
        message=f"{layer.label} takes {wanted} features but {got} arrived, in an input of shape "
        f"{shape(given)}",
        fixes=tuple(fixes),
        cause=Cause.ARCHITECTURE,
        layer=layer,
        at_layer=len(fixes) == 2,
        evidence=sizes(got, wanted, "features", layer),
    )


def _channels(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    given, wanted, got = numbers(match[1]), int(match[2]), int(match[3])
    layer = crash.layer
    name = layer.label if layer is not None else "the convolution"
    kind = layer.class_name if layer is not None else "Conv2d"
    units = layer.options.get("out_channels", "…") if layer is not None else "…"
    fix = f"make {name} take {got} channels: `nn.{kind}({got}, {units}, …)`"
    fixes = [Fix(fix, _IF_RIGHT)]
    last = given[-1] == wanted and len(given) > 3
    if last:
        order = ", ".join(["0", str(len(given) - 1), *map(str, range(1, len(given) - 1))])
        fixes.insert(0, Fix(f"channels come second in PyTorch: `x.permute({order})`"))
    elif wanted == 3 and got == 1:
        fixes.append(Fix("repeat the grey channel: `x.repeat(1, 3, 1, 1)`"))
    return Explained(
        message=f"{name} takes {wanted} channels but {got} arrived, in an input of shape "
        f"{shape(given)}",
        fixes=tuple(fixes),
        cause=Cause.DATA if last else Cause.ARCHITECTURE,
        layer=layer,
        at_layer=not last,
        evidence=sizes(got, wanted, "channels", layer),
    )


def _dimensions(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    wanted, given = int(match[1]), numbers(match[2])
    layer = crash.layer
    name = layer.label if layer is not None else "the convolution"
    fixes = [Fix(f"give {name} an input of {wanted} axes: batch, channels, and {wanted - 2} more")]
    channels = layer.options.get("in_channels") if layer is not None else None
    if len(given) == 2 and wanted == 4 and isinstance(channels, int) and channels > 0:
        side = math.isqrt(given[1] // channels)
        if channels * side * side == given[1]:
            text = f"make images of the rows: `x.view(-1, {channels}, {side}, {side})`"
            fixes.insert(0, Fix(text))
    return Explained(
        message=f"{name} takes an input of {wanted} axes but got one of shape {shape(given)}",
        fixes=tuple(fixes),
        cause=Cause.DATA,
        layer=layer,
        evidence=sizes(len(given), wanted, "axes", layer),
    )


def _kernel(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    given, kernel = numbers(match[1]), numbers(match[2])
    name = crash.layer.label if crash.layer is not None else "the convolution"
    return Explained(
        message=f"only {shape(given)} pixels are left at {name}, less than its kernel of "
        f"{shape(kernel)}",
        fixes=(
            Fix("pool less often before it, or take smaller strides"),
            Fix('pad the input: `padding="same"`'),
            Fix("take larger images"),
        ),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        at_layer=True,
        evidence=sizes(min(given), max(kernel), "pixels", crash.layer),
    )


def _too_small(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    given = numbers(match[1])
    name = crash.layer.label if crash.layer is not None else "the pooling"
    return Explained(
        message=f"nothing is left after {name}: its input is {shape(given)} already",
        fixes=(
            Fix("leave out one of the pooling layers or strides before it"),
            Fix("take larger images"),
        ),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        at_layer=True,
        evidence=sizes(min(given), 1, "pixels", crash.layer),
    )


def _norm(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    got, wanted = int(match[1]), int(match[2])
    layer = crash.layer
    name = layer.label if layer is not None else "the normalization"
    kind = layer.class_name if layer is not None else "BatchNorm2d"
    return Explained(
        message=f"{name} is made for {wanted} channels but {got} arrived",
        fixes=(Fix(f"write `nn.{kind}({got})`: as many as the layer before it gives"),),
        cause=Cause.ARCHITECTURE,
        layer=layer,
        at_layer=True,
        evidence=sizes(got, wanted, "channels", layer),
    )


def _layer_norm(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    wanted, given = numbers(match[1]), numbers(match[2])
    name = crash.layer.label if crash.layer is not None else "the normalization"
    end = given[-len(wanted) :]
    return Explained(
        message=f"{name} normalizes over {shape(wanted)} but its input of shape {shape(given)} "
        f"ends in {shape(end)}",
        fixes=(Fix(f"write `nn.LayerNorm({end[0] if len(end) == 1 else shape(end)})`"),),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        at_layer=True,
        evidence=sizes(end[-1], wanted[-1], "features", crash.layer),
    )


def _recurrent(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    wanted, got = int(match[1]), int(match[2])
    layer = crash.layer
    name = layer.label if layer is not None else "the layer"
    kind = layer.class_name if layer is not None else "LSTM"
    units = layer.options.get("hidden_size", "…") if layer is not None else "…"
    given = next((a.shape for a in layer.arrays if len(a.shape) == 3), None) if layer else None
    fixes = [Fix(f"write `nn.{kind}({got}, {units}, …)`: {got} features arrive", _IF_RIGHT)]
    if given is not None and given[1] == wanted:
        fixes.insert(0, Fix("features come last: `x.transpose(1, 2)`"))
    shown = f", in an input of shape {shape(given)}" if given else ""
    return Explained(
        message=f"{name} takes {wanted} features a step but {got} arrived{shown}",
        fixes=tuple(fixes),
        cause=Cause.ARCHITECTURE,
        layer=layer,
        at_layer=True,
        evidence=sizes(got, wanted, "features", layer),
    )


def _broadcast(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    one, other, axis = map(int, match.groups())
    shapes = [array.shape for _, arrays in crash.calls[:1] for array in arrays]
    with_axis = [s for s in shapes if one in s or other in s]
    shown = f": shapes {' and '.join(map(shape, with_axis[:2]))}" if len(with_axis) > 1 else ""
    where = f" in {crash.layer.label}" if crash.layer is not None else ""
    return Explained(
        message=f"two tensors meet{where} with {one} and {other} entries along axis {axis}{shown}",
        fixes=(
            Fix("make both sizes equal, or one of them 1 where it shall be repeated"),
            Fix("compare the two shapes on the line before: an axis may be missing or swapped"),
        ),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        evidence=sizes(one, other, "entries", crash.layer),
    )


def _rows(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    outputs, targets = int(match[1]), int(match[2])
    held = crash.held("cross_entropy", "nll_loss")
    shown = ""
    if {"input", "target"} <= held.keys():
        a, b = held["input"].shape, held["target"].shape
        shown = f": outputs have shape {shape(a)}, targets {shape(b)}"
    fix = "keep the batch axis when reshaping: `x.flatten(1)`, never `x.view(-1, …)` with a guess"
    fixes = [Fix(fix), Fix("give the loss the outputs and the targets of the same batch")]
    if outputs and targets % outputs == 0 and targets > outputs:
        fixes.insert(0, Fix("keep one output for each target: the time axis got lost"))
    return Explained(
        message=f"the loss got {outputs} outputs for {targets} targets{shown}",
        fixes=tuple(fixes),
        cause=Cause.LOSS,
        evidence=sizes(outputs, targets, "rows", None),
    )


def _view(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    wanted, size = numbers(match[1]), int(match[2])
    batch = crash.batch_size() or info.batch_size
    fixes = [Fix("keep the batch axis and count the rest: `x.flatten(1)`")]
    shown = ""
    if batch and size % batch == 0:
        each = size // batch
        shown = f"; each of the {batch} samples has {each}"
        fixes.insert(0, Fix(f"write `x.flatten(1)`, and make the next `Linear` take {each}"))
    return Explained(
        message=f"{size} numbers cannot be given the shape {shape(wanted)}{shown}",
        fixes=tuple(fixes),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        evidence=sizes(size, abs(math.prod(wanted)), "numbers", crash.layer),
    )


def _targets(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    targets, outputs = numbers(match[1]), numbers(match[2])
    fix = "give outputs and targets the same shape"
    if outputs == (*targets, 1):
        fix = "drop the last axis of the outputs: `outputs.squeeze(-1)`"
    elif targets == (*outputs, 1):
        fix = "drop the last axis of the targets: `targets.squeeze(-1)`"
    elif len(outputs) == 2 and len(targets) == 1:
        fix = "make one-hot targets, or take `CrossEntropyLoss` for classes that exclude each other"
    return Explained(
        message=f"the loss got outputs of shape {shape(outputs)} and targets of shape "
        f"{shape(targets)}",
        fixes=(Fix(fix),),
        cause=Cause.LOSS,
        evidence=sizes(math.prod(outputs), math.prod(targets), "numbers", None),
    )


def _several_targets(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    target = crash.held("cross_entropy", "nll_loss").get("target")
    given = target.shape if target is not None else ()
    shown = f" of shape {shape(given)}" if given else ""
    column = len(given) == 2 and given[1] == 1
    fix = "`targets.squeeze(1)`" if column else "`targets.argmax(1)` makes indices of one-hot rows"
    return Explained(
        message=f"this loss takes one class index a sample but got targets{shown}",
        fixes=(Fix(f"give it one index a sample: {fix}"),),
        cause=Cause.LABELS,
        evidence=sizes(len(given), 1, "axes", None),
    )


def _target_size(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    wanted, got = numbers(match[1]), numbers(match[2])
    outputs = crash.held("cross_entropy", "nll_loss").get("input")
    shown = f" for outputs of shape {shape(outputs.shape)}" if outputs is not None else ""
    fixes = [Fix("classes come second: `loss(outputs.transpose(1, 2), targets)`")]
    if outputs is not None and outputs.shape[:2] == got:
        fixes.append(Fix("or flatten both: `loss(outputs.flatten(0, 1), targets.flatten())`"))
    return Explained(
        message=f"the loss expects targets of shape {shape(wanted)}{shown} but got {shape(got)}",
        fixes=tuple(fixes),
        cause=Cause.LOSS,
        evidence=sizes(got[-1], wanted[-1], "entries", None),
    )


def _stack(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    first, place, other, row = numbers(match[1]), match[2], numbers(match[3]), match[4]
    images = len(first) == 3
    fixes = [
        Fix("resize or crop all images alike: `transforms.Resize((height, width))`")
        if images and first[0] == other[0]
        else Fix('convert all images alike: `image.convert("RGB")`')
        if images
        else Fix("pad to one length in a `collate_fn`: `pad_sequence(…, batch_first=True)`")
    ]
    return Explained(
        message=f"samples of one batch have different shapes: {shape(first)} at place {place} and "
        f"{shape(other)} at place {row}",
        fixes=tuple(fixes),
        cause=Cause.DATA,
        evidence=sizes(math.prod(other), math.prod(first), "numbers", None),
    )


def _join(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    axis, wanted, got, number = map(int, match.groups())
    return Explained(
        message=f"tensors were to be joined along axis {axis}, but number {number} has {got} "
        f"entries where the first has {wanted}",
        fixes=(
            Fix("make all other axes equal: pad or crop before `torch.cat`"),
            Fix("join along another axis: `dim=…`"),
        ),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        evidence=sizes(got, wanted, "entries", crash.layer),
    )


def _checkpoint(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    name, saved, here = match[1], numbers(match[2]), numbers(match[3])
    return Explained(
        message=f"`{name}` has shape {shape(saved)} in the checkpoint and {shape(here)} in this "
        "model",
        fixes=(
            Fix("build the model as it was when it was saved"),
            Fix(
                f"leave out `{name}` and load the rest with `strict=False`",
                "that layer then starts anew",
            ),
        ),
        cause=Cause.ARCHITECTURE,
        evidence=sizes(saved[0] if saved else 0, here[0] if here else 0, "rows", None),
    )


def _axes(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    wanted, got = match[1], int(match[2])
    name = crash.layer.label if crash.layer is not None else "the layer"
    return Explained(
        message=f"{name} takes an input of {wanted.replace('D', '')} axes but got {got}",
        fixes=(Fix(f"take the variant for {got} axes, or reshape the input"),),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        at_layer=True,
        evidence=sizes(got, int(wanted[0]), "axes", crash.layer),
    )


_S = r"\[([\d, ]*)\]"
SHAPE_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)", _linear),
        (rf"expected input{_S} to have (\d+) channels, but got (\d+) channels", _channels),
        (rf"Expected \dD \(unbatched\) or (\d)D \(batched\) input to \w+, but got .*?{_S}",
         _dimensions),
        (r"padded input size per channel: \(([\d x]+)\)\. Kernel size: \(([\d x]+)\)", _kernel),
        (r"Given input size: \(([\dx]+)\)\. Calculated output size: .*too small", _too_small),
        (r"running_mean should contain (\d+) elements not (\d+)", _norm),
        (rf"Given normalized_shape={_S}, expected input with shape .*? input of size\s*{_S}",
         _layer_norm),
        (r"input\.size\(-1\) must be equal to input_size\. Expected (\d+), got (\d+)", _recurrent),
        (r"tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton "
         r"dimension (\d+)", _broadcast),
        (r"Expected input batch_size \((\d+)\) to match target batch_size \((\d+)\)", _rows),
        (r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)", _view),
        (rf"[Tt]arget size \(torch\.Size\({_S}\)\).*?input size \(torch\.Size\({_S}\)\)", _targets),
        (r"1D target tensor expected, multi-target not supported", _several_targets),
        (rf"Expected target size {_S}, got {_S}", _target_size),
        (rf"equal size, but got {_S} at entry (\d+) and {_S} at entry (\d+)", _stack),
        (r"Sizes of tensors must match except in dimension (\d+)\. Expected size (\d+) but got "
         r"size (\d+) for tensor number (\d+)", _join),
        (rf"size mismatch for ([\w.]+): copying a param with shape torch\.Size\({_S}\) from "
         rf"checkpoint, the shape in current model is torch\.Size\({_S}\)", _checkpoint),
        (r"expected (\dD(?: or \dD)?) input \(got (\d)D input\)", _axes),
    )
)  # fmt: skip

_SHAPE = re.compile(r"[\[(]((?:\d+|None)(?:, (?:\d+|None))*,?)[\])]")
_WORDS = re.compile(
    r"shape|broadcast|dimension|must match|mismatch|incompatible|same size", re.IGNORECASE
)
_LIBRARY_ERRORS = ("RuntimeError", "ValueError", "TypeError", "InvalidArgumentError")


def any_shapes(crash: Crash, info: RunInfo) -> Explained | None:
    """Whatever a library says of two shapes: the layer and the shapes, without a sure change."""
    if crash.own or not _WORDS.search(crash.message):
        return None
    if not any(kind in _LIBRARY_ERRORS for kind in crash.kinds):
        return None
    message = crash.message.split("Arguments received by")[0]  # Keras tells all of them
    met = list(dict.fromkeys(numbers(found) for found in _SHAPE.findall(message)))
    met = [sizes for sizes in met if sizes]
    if len(met) < 2:
        return None
    where = f" in {crash.layer.label}" if crash.layer is not None else ""
    return Explained(
        message=f"the shapes {' and '.join(map(shape, met[:3]))} do not go together{where}",
        fixes=(
            Fix("print the shapes on the line before, and find where the wrong one is made"),
            Fix("run the model once on one batch before training, layer by layer"),
        ),
        cause=Cause.ARCHITECTURE,
        layer=crash.layer,
        evidence=sizes(math.prod(met[0]), math.prod(met[1]), "numbers", crash.layer),
    )
