"""Keras layer classes in the vocabulary that all frameworks share."""

from __future__ import annotations

from typing import Any

import keras

_KINDS = {
    "InputLayer": "input",
    "Dense": "linear",
    "EinsumDense": "linear",
    "Embedding": "embedding",
    "ReversibleEmbedding": "embedding",
    "Bidirectional": "recurrent",
    "RNN": "recurrent",
    "SimpleRNN": "recurrent",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "ConvLSTM1D": "recurrent",
    "ConvLSTM2D": "recurrent",
    "ConvLSTM3D": "recurrent",
    "MultiHeadAttention": "attention",
    "GroupQueryAttention": "attention",
    "GroupedQueryAttention": "attention",
    "Attention": "attention",
    "AdditiveAttention": "attention",
    "Softmax": "softmax",
    "LogSoftmax": "log-softmax",
    "Rescaling": "scale",
    "Dropout": "dropout",
    "SpatialDropout1D": "dropout",
    "SpatialDropout2D": "dropout",
    "SpatialDropout3D": "dropout",
    "AlphaDropout": "dropout",
    "GaussianDropout": "dropout",
}
_ACTIVATIONS = {
    "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "Selu", "Elu", "Gelu", "GELU",
    "Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "Swish", "Mish", "HardSigmoid", "HardSilu",
    "HardSwish", "HardTanh", "Softplus", "Softsign", "LogSigmoid", "LeakyRelu", "Celu", "Glu",
    "Threshold", "HardShrink", "SoftShrink", "TanhShrink", "Squareplus", "SparsePlus",
}  # fmt: skip
_RESHAPES = {
    "Flatten", "Reshape", "Permute", "RepeatVector", "Cropping1D", "Cropping2D", "Cropping3D",
    "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "UpSampling1D", "UpSampling2D",
    "UpSampling3D", "Identity", "Masking", "Transpose", "Squeeze", "ExpandDims", "GetItem",
    "Cast", "Pad", "Stack", "Split",
}  # fmt: skip
_MERGES = {
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Concatenate": "concatenate",
    "Dot": "dot",
}
#: Layers that apply another one as it is.
_WRAPPERS = frozenset({"TimeDistributed", "SpectralNormalization"})

#: Kinds whose output has no units of its own: their values are those of other layers, moved.
WITHOUT_UNITS = frozenset({"input", "reshape", "merge", "container", "augmentation"})


def is_container(layer: Any) -> bool:
    """Whether the layer only holds others: a model, or a user's layer made of layers."""
    if isinstance(layer, keras.Model):
        return True
    if type(layer).__module__.split(".")[0] == "keras":
        return False
    return isinstance(layer, keras.layers.Layer) and bool(sublayers(layer))


def sublayers(layer: Any) -> list[Any]:
    """The layers directly inside, in order."""
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    return list(layer._flatten_layers(include_self=False, recursive=False))


def unwrapped(op: Any) -> Any:
    """The layer that a wrapper applies unchanged to every step or with normalized weights."""
    while type(op).__name__ in _WRAPPERS and type(op).__module__.split(".")[0] == "keras":
        inner = getattr(op, "layer", None)
        if inner is None or is_container(inner):
            break
        op = inner
    return op


def kind_of(op: Any) -> str:
    """The kind of a layer or operation; a user's subclass has the kind of its Keras base only
    when it leaves ``call`` alone."""
    op = unwrapped(op)
    for base in type(op).__mro__:
        kind = _kind_by_name(base.__name__)
        ours = base.__module__.split(".")[0] == "keras"
        if ours and kind is not None:
            own: Any = type(op)
            return kind if own.call is getattr(base, "call", None) else "other"
    if type(op).__name__ == "Activation":
        return "activation"
    return "other"


def _kind_by_name(name: str) -> str | None:
    if name in _KINDS:
        return _KINDS[name]
    if name in _ACTIVATIONS:
        return "activation"
    if name in _RESHAPES:
        return "reshape"
    if name in _MERGES:
        return "merge"
    if name.endswith(("Pooling1D", "Pooling2D", "Pooling3D")):
        return "pooling"
    if name.startswith(("Conv", "DepthwiseConv", "SeparableConv")) and name[-1:] == "D":
        return "conv-transpose" if "Transpose" in name else "conv"
    if name.startswith("Conv") and "Transpose" in name:
        return "conv-transpose"
    if name.endswith("Normalization"):
        return "normalization"
    if name.startswith("Random") or name in ("MixUp", "CutMix", "RandAugment", "AugMix"):
        return "augmentation"
    return None


def function_name(value: Any) -> str | None:
    """The name of an activation: a string, a function or an object."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    name = getattr(value, "__name__", None) or getattr(value, "name", None)
    return str(name or type(value).__name__).lower()


def _number_of(value: Any) -> float | None:
    try:
        return float(value) if value is not None else None
    except Exception:  # a regularizer of the user may keep anything
        return None


def config_of(op: Any, kind: str) -> dict[str, Any]:
    """Settings under the names that all frameworks share."""
    op = unwrapped(op)
    config: dict[str, Any] = {}
    for ours, theirs in (("units", "units"), ("units", "filters"), ("groups", "groups")):
        if isinstance(getattr(op, theirs, None), int):
            config[ours] = getattr(op, theirs)
    if hasattr(op, "activation"):
        config["activation"] = function_name(op.activation) or "linear"
    if kind == "embedding":
        config |= {
            "inputs": getattr(op, "input_dim", None),
            "units": getattr(op, "output_dim", None),
            "masks": bool(getattr(op, "mask_zero", False)),
        }
    if kind in ("linear", "conv", "conv-transpose"):
        kernel = getattr(op, "kernel", None) if getattr(op, "built", False) else None
        if kernel is not None and len(kernel.shape) >= 2:
            position = -1 if kind == "conv-transpose" else -2
            config["inputs"] = int(kernel.shape[position]) * config.get("groups", 1)
        if hasattr(op, "kernel_size"):
            config["kernel"] = tuple(op.kernel_size)
        config["bias"] = bool(getattr(op, "use_bias", True))
        squares = getattr(getattr(op, "kernel_regularizer", None), "l2", None)
        penalty = _number_of(squares)
        if penalty:
            config["penalty"] = penalty  # times the sum of the squared weights
    if getattr(op, "data_format", None):
        config["channels"] = str(op.data_format).removeprefix("channels_")
    if kind in ("dropout", "attention", "recurrent") and hasattr(op, "rate"):
        config["rate"] = float(op.rate)
    elif isinstance(getattr(op, "dropout", None), float) and op.dropout:
        config["rate"] = float(op.dropout)
    if kind == "attention" and hasattr(op, "key_dim"):
        config["units"] = int(op.key_dim) * int(getattr(op, "num_heads", 1))
    if kind == "activation":
        config.pop("activation", None)
        of_layer = type(op).__name__ == "Activation"
        config["function"] = function_name(op.activation) if of_layer else type(op).__name__.lower()
    if kind == "pooling":
        config["function"] = "max" if "Max" in type(op).__name__ else "average"
    if kind == "recurrent" and type(op).__name__ in ("LSTM", "GRU", "SimpleRNN"):
        config["steps"] = bool(op.return_sequences)
        config["backwards"] = bool(op.go_backwards)
    if kind == "merge":
        config["function"] = _MERGES.get(type(op).__name__, type(op).__name__.lower())
    if kind in ("softmax", "log-softmax", "normalization") and hasattr(op, "axis"):
        config["axis"] = op.axis
    if kind == "scale":
        config |= {"scale": _number(op, "scale"), "offset": _number(op, "offset")}
    return config


def special_kind(op: Any, kind: str) -> str:
    """``Activation("softmax")`` is a softmax; all other layers keep their kind."""
    op = unwrapped(op)
    if kind == "activation" and type(op).__name__ == "Activation":
        name = function_name(op.activation)
        if name in ("softmax", "log_softmax"):
            return name.replace("_", "-")
    return kind


def own_unit_axis(layer: Any, kind: str) -> int | None:
    """The axis of the units of a layer's output where the layer itself tells, else None."""
    inner = unwrapped(layer)
    data_format = getattr(inner, "data_format", None)
    if data_format is not None:
        first = 1 if inner is layer else 2  # behind the axis of time
        return first if data_format == "channels_first" else -1
    if kind in ("linear", "embedding", "recurrent", "attention"):
        return -1
    axis = getattr(layer, "axis", None) if kind == "normalization" else None
    if isinstance(axis, list | tuple) and len(axis) == 1:
        axis = axis[0]
    return axis if isinstance(axis, int) else None


def _number(op: Any, name: str) -> Any:
    value = getattr(op, name, None)
    return float(value) if isinstance(value, int | float) else None
