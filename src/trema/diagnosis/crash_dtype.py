"""Types of numbers, and devices, that do not fit."""

from __future__ import annotations

import re

from trema.core.diagnosis import Cause, Evidence, Fix
from trema.core.facts import RunInfo
from trema.diagnosis.crash import Crash, Explained, Rule

#: What frameworks call a type in their messages -> its usual name.
_NAMES = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
    "unsigned char": "uint8",
    "long int": "int64",
    "signed char": "int8",
}
_BITS = re.compile(r"\d+$")


def dtype_name(word: str) -> str:
    """``Double``, ``torch.DoubleTensor`` and ``c10::Half`` in one vocabulary."""
    plain = word.strip().removeprefix("torch.").removeprefix("cuda.").removeprefix("c10::")
    plain = plain.removesuffix("Tensor").strip().lower()
    return _NAMES.get(plain, plain)


def _is_whole(name: str) -> bool:
    return name.startswith(("int", "uint", "bool"))


def _bits(name: str) -> float:
    found = _BITS.search(name)
    return float(found.group()) if found else 0.0


def _evidence(got: str, wanted: str, crash: Crash) -> tuple[Evidence, ...]:
    name = crash.layer.name if crash.layer is not None else ""
    return (Evidence("dtype", _bits(got), _bits(wanted), "bits", name=name),)


def _conversion(got: str, wanted: str) -> Fix:
    """How to make one of the other."""
    if got == "float64" and wanted == "float32":
        return Fix("NumPy makes float64: convert the data once with `x.float()`")
    if wanted == "float32":
        return Fix("convert where the data is made: `x.float()`")
    if wanted == "int64":
        return Fix("convert where the data is made: `y.long()`")
    if wanted in ("float16", "bfloat16"):
        return Fix("let `torch.autocast` choose the types, and keep the model in float32")
    return Fix(f"convert where the data is made: `x.to(torch.{wanted})`")


def _met(got: str, wanted: str, crash: Crash) -> Explained:
    where = f" in {crash.layer.label}" if crash.layer is not None else ""
    labels = wanted == "int64" and crash.layer is None
    return Explained(
        message=f"{got} met {wanted}{where}"
        if not labels
        else f"whole numbers ({wanted}) are needed{where} but {got} came",
        fixes=(
            _conversion(got, wanted),
            Fix("set the type of the model instead: `model.double()`", "slower, twice the memory")
            if (got, wanted) == ("float64", "float32")
            else Fix("look at the `dtype` of the inputs, the targets and the parameters"),
        ),
        cause=Cause.LABELS if labels else Cause.DATA,
        layer=crash.layer,
        evidence=_evidence(got, wanted, crash),
    )


def _expected_found(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    return _met(dtype_name(match[2]), dtype_name(match[1]), crash)


def _two(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    one, other = dtype_name(match[1]), dtype_name(match[2])
    if "bits" not in one and _device(match[1]) != _device(match[2]) and one == other:
        return _devices_of("the GPU", "the CPU", crash)
    given = crash.layer.arrays if crash.layer is not None else ()
    came = {array.dtype for array in given}
    got, wanted = (other, one) if other in came and one not in came else (one, other)
    return _met(got, wanted, crash)


def _device(word: str) -> str:
    return "cuda" if "cuda" in word else "cpu"


def _grad(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    got, wanted = dtype_name(match[1]), dtype_name(match[2])
    return Explained(
        message=f"outputs and targets of the loss have different types: {got} and {wanted}",
        fixes=(Fix("give the loss targets of the type of the outputs: `y.float()`"),),
        cause=Cause.LABELS,
        evidence=_evidence(got, wanted, crash),
    )


def _ids(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    got = dtype_name(match[1])
    name = crash.layer.label if crash.layer is not None else "the embedding"
    return Explained(
        message=f"{name} takes whole numbers, ids, but {got} came",
        fixes=(Fix("convert the ids where they are made: `ids.long()`"),),
        cause=Cause.DATA,
        layer=crash.layer,
        evidence=_evidence(got, "int64", crash),
    )


def _not_implemented(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    kernel, got = match[1], dtype_name(match[2])
    loss = "loss" in kernel
    wanted = "int64" if "nll" in kernel else "float32"
    where = f" in {crash.layer.label}" if crash.layer is not None else ""
    what = "the loss" if loss else "this operation"
    return Explained(
        message=f"{what} is not made for {got}{where}: it takes {wanted}",
        fixes=(_conversion(got, wanted),),
        cause=Cause.LABELS if loss else Cause.DATA,
        layer=crash.layer,
        evidence=_evidence(got, wanted, crash),
    )


def _target_type(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    got = dtype_name(match[1])
    return Explained(
        message=f"this loss takes class indices as int64 but got targets of {got}",
        fixes=(
            Fix("convert the labels where they are made: `y.long()`"),
            Fix("for targets with fractions take another loss: `nn.MSELoss()`"),
        )
        if not _is_whole(got)
        else (Fix("convert the labels where they are made: `y.long()`"),),
        cause=Cause.LABELS,
        evidence=_evidence(got, "int64", crash),
    )


def _mean(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    got = dtype_name(match[1])
    return Explained(
        message=f"a mean of {got} has no type: whole numbers have fractions for a mean",
        fixes=(Fix("convert first: `x.float().mean()`"),),
        cause=Cause.DATA,
        layer=crash.layer,
        evidence=_evidence(got, "float32", crash),
    )


def _devices(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    return _devices_of(match[1].rstrip("!,"), match[2].rstrip("!,"), crash)


def _devices_of(one: str, other: str, crash: Crash) -> Explained:
    where = f" in {crash.layer.label}" if crash.layer is not None else ""
    return Explained(
        message=f"tensors on {one} and on {other} met{where}",
        fixes=(
            Fix("move each batch in the loop: `x, y = x.to(device), y.to(device)`"),
            Fix("move the model once, before the optimizer is made: `model.to(device)`"),
            Fix("make tensors of a module in `forward` on `x.device`, or by `register_buffer`"),
        ),
        cause=Cause.TRAINING_LOOP,
        layer=crash.layer,
        evidence=(Evidence("devices", 2.0, 1.0),),
        check="crash-device",
    )


def _objects(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    return Explained(
        message="an array of Python objects cannot become a tensor: its rows differ in length or "
        "a column holds text",
        fixes=(
            Fix("look at the types: `frame.dtypes`; encode text columns, drop or fill empty cells"),
            Fix('convert at the end: `array.astype("float32")`'),
        ),
        cause=Cause.DATA,
        evidence=(Evidence("dtype", 0.0, 32.0, "bits"),),
    )


DTYPE_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"all tensors to be on the same device, but (?:found at least two devices|got .*? is on)"
         r",? (\S+?),? (?:and|different from other tensors on) (\S+)", _devices),
        (r"expected scalar type (\w+) but found (\w+)", _expected_found),
        (r"to have the same dtype, but got: ([\w: ]+?) != ([\w:]+(?: char| int)?)", _two),
        (r"must have the same dtype, but got (\w+) and (\w+)", _two),
        (r"Input type \((.+?)\) and (?:weight|bias) type \((.+?)\) should be the same", _two),
        (r"'indices' to have one of the following scalar types: Long, Int; but got (\S+?)(?: |$)",
         _ids),
        (r"Found dtype (\w+) but expected (\w+)", _grad),
        (r"\"(\w+)\" not implemented for '(\w+)'", _not_implemented),
        (r"expected target dtype to be .*?but got (\w+)", _target_type),
        (r"could not infer output dtype\. .*Got: (\w+)", _mean),
        (r"numpy\.object_|Unsupported object type|Invalid dtype: object", _objects),
    )
)  # fmt: skip
