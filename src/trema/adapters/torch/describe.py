"""What is known of a torch model, its optimizer and its losses before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trema.core.datasets import CLASSES
from trema.core.facts import Layer, LossInfo, OptimizerInfo, Parameter

_ACTIVATIONS = {
    "ReLU", "LeakyReLU", "PReLU", "RReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish",
    "Sigmoid", "Tanh", "Hardtanh", "ReLU6", "Hardswish", "Hardsigmoid", "Softplus", "Softsign",
    "LogSigmoid", "Threshold", "GLU", "Tanhshrink", "Hardshrink", "Softshrink",
}  # fmt: skip
_RESHAPES = {
    "Flatten", "Unflatten", "Identity", "PixelShuffle", "PixelUnshuffle", "Upsample", "Fold",
    "Unfold", "ZeroPad2d", "ConstantPad2d", "UpsamplingNearest2d",
}  # fmt: skip

#: functional loss -> (kind, reads)
LOSSES: Mapping[str, tuple[str, str]] = {
    "cross_entropy": ("cross-entropy", "logits"),
    "nll_loss": ("nll", "log-probabilities"),
    "binary_cross_entropy": ("binary-cross-entropy", "probabilities"),
    "binary_cross_entropy_with_logits": ("binary-cross-entropy", "logits"),
    "multilabel_soft_margin_loss": ("binary-cross-entropy", "logits"),
    "mse_loss": ("mse", "values"),
    "l1_loss": ("mae", "values"),
    "smooth_l1_loss": ("huber", "values"),
    "huber_loss": ("huber", "values"),
    "kl_div": ("kl-divergence", "log-probabilities"),
    "poisson_nll_loss": ("poisson", "unknown"),
    "gaussian_nll_loss": ("other", "values"),
    "hinge_embedding_loss": ("hinge", "values"),
    "multi_margin_loss": ("hinge", "values"),
    "soft_margin_loss": ("hinge", "values"),
    "ctc_loss": ("ctc", "log-probabilities"),
}


def clean(name: str) -> str:
    """A module or parameter name without the wrappers of DataParallel and ``torch.compile``."""
    for wrapper in ("_orig_mod.", "module."):
        while name.startswith(wrapper):
            name = name.removeprefix(wrapper)
    return "" if name in ("_orig_mod", "module") else name


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's module inside DataParallel, DistributedDataParallel or ``torch.compile``."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def watched_part(model: nn.Module) -> nn.Module:
    """The module whose forward is watched: inside DistributedDataParallel, so that a pass around
    the wrapper is seen too."""
    inner = getattr(model, "module", None)
    wrapped = type(model).__name__ == "DistributedDataParallel" and isinstance(inner, nn.Module)
    return inner if wrapped else model  # type: ignore[return-value]  # a module, as was looked at


def is_compiled(model: nn.Module) -> bool:
    """Whether ``torch.compile`` runs the model or a part of it."""
    return any(
        hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) is not None
        for m in model.modules()
    )


def kind_of(module: nn.Module) -> str:
    """The kind of a module in the shared vocabulary."""
    name = type(module).__name__
    table: tuple[tuple[tuple[type, ...], str], ...] = (
        ((nn.Linear, nn.LazyLinear), "linear"),
        ((nn.modules.conv._ConvTransposeNd,), "conv-transpose"),
        ((nn.modules.conv._ConvNd,), "conv"),
        ((nn.Embedding, nn.EmbeddingBag), "embedding"),
        ((nn.RNNBase, nn.RNNCellBase), "recurrent"),
        ((nn.MultiheadAttention,), "attention"),
        ((nn.modules.dropout._DropoutNd,), "dropout"),
        ((nn.Softmax, nn.Softmax2d), "softmax"),
        ((nn.LogSoftmax,), "log-softmax"),
    )
    for types, kind in table:
        if isinstance(module, types):
            return kind
    if name in _ACTIVATIONS:
        return "activation"
    if name in _RESHAPES:
        return "reshape"
    if "Norm" in name:
        return "normalization"
    if "Pool" in name:
        return "pooling"
    return "other" if next(module.children(), None) is None else "container"


def config_of(module: nn.Module, kind: str) -> dict[str, Any]:
    """Settings of a module under the names that all frameworks share."""
    config: dict[str, Any] = {}
    if kind == "linear":
        config = {"units": module.out_features, "inputs": module.in_features}
    elif kind in ("conv", "conv-transpose"):
        config = {
            "units": module.out_channels,
            "inputs": module.in_channels,
            "groups": module.groups,
            "kernel": tuple(module.kernel_size),  # type: ignore[arg-type]  # a tuple here
            "channels": "first",
        }
    elif kind == "embedding":
        config = {"inputs": module.num_embeddings, "units": module.embedding_dim}
    elif kind == "recurrent":
        config = {"units": module.hidden_size, "inputs": module.input_size}
        if getattr(module, "dropout", 0):
            config["rate"] = float(module.dropout)  # type: ignore[arg-type]  # a number there
        if isinstance(module, nn.RNNBase):
            config["batch_axis"] = 0 if module.batch_first else 1
    elif kind == "attention":
        config = {"units": module.embed_dim, "rate": float(module.dropout)}  # type: ignore[arg-type]
        config["batch_axis"] = 0 if module.batch_first else 1
    elif kind == "dropout":
        config = {"rate": float(module.p)}  # type: ignore[arg-type]
    elif kind == "activation":
        config = {"function": type(module).__name__.lower()}
    elif kind == "pooling":
        config = {"function": "max" if "Max" in type(module).__name__ else "average"}
        config["channels"] = "first"
    elif kind in ("softmax", "log-softmax"):
        config = {"axis": getattr(module, "dim", 1)}
    if kind in ("linear", "conv", "conv-transpose"):
        config |= {"activation": "linear", "bias": module.bias is not None}
    return config


def leaves(model: nn.Module) -> dict[str, nn.Module]:
    """Modules that compute something themselves: those without children, and recurrent,
    attention and other composite modules that own parameters directly."""
    found: dict[str, nn.Module] = {}
    inside: list[str] = []
    for raw, module in model.named_modules():
        name = clean(raw)
        if not name and next(module.children(), None) is not None:
            continue
        if any(name.startswith(prefix) for prefix in inside):
            continue
        if type(module).__module__.startswith("torchmetrics."):  # counts, and computes no output
            inside.append(name + ".")
            continue
        if isinstance(module, nn.MultiheadAttention):
            inside.append(name + ".")
            found[name] = module
        elif next(module.children(), None) is None and not isinstance(
            module, nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict
        ):
            found[name or type(module).__name__.lower()] = module
    return found


def layers_of(model: nn.Module) -> tuple[Layer, ...]:
    """All leaves in order of definition."""
    return tuple(
        layer_of(name, module)
        for name, module in leaves(model).items()
        if not isinstance(module, nn.modules.loss._Loss)
    )


def layer_of(name: str, module: nn.Module) -> Layer:
    """One module as a layer; its parameters carry their full names."""
    kind = kind_of(module)
    kind = "other" if kind == "container" else kind
    return Layer(
        name=name,
        kind=kind,
        class_name=type(module).__name__,
        config=config_of(module, kind),
        parameters=tuple(f"{name}.{key}" for key, _ in module.named_parameters()),
    )


def parameters_of(
    model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...]
) -> tuple[Parameter, ...]:
    """All parameters and the optimizer groups that own them."""
    owners: dict[int, list[str]] = {}
    for i, optimizer in enumerate(optimizers):
        for g, group in enumerate(optimizer.param_groups):
            for p in group["params"]:
                owners.setdefault(id(p), []).append(f"{i}.{g}")
    names = tuple(leaves(model))
    return tuple(
        Parameter(
            name=clean(name),
            shape=() if isinstance(p, nn.UninitializedParameter) else tuple(p.shape),
            dtype=str(p.dtype).removeprefix("torch."),
            trainable=p.requires_grad,
            layer=_owner(clean(name), names),
            groups=tuple(owners.get(id(p), ())),
        )
        for name, p in model.named_parameters()
    )


def owned_parameters(
    model: nn.Module, optimizer: torch.optim.Optimizer | None
) -> list[tuple[str, Tensor]]:
    """Parameters of the model that the optimizer holds."""
    if optimizer is None:
        return []
    owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return [
        (name, p)
        for name, p in model.named_parameters()
        if id(p) in owned and not isinstance(p, nn.UninitializedParameter) and not is_sharded(p)
    ]


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is one of torch's distributed tensors. Nothing of it is read: where ranks observe
    different steps, one would wait for a collective operation that the others never call."""
    return type(tensor).__name__ == "DTensor"


def _owner(parameter: str, layers: tuple[str, ...]) -> str | None:
    parts = parameter.split(".")[:-1]
    while parts:
        name = ".".join(parts)
        if name in layers:
            return name
        parts.pop()
    return None


def optimizer_info(optimizer: torch.optim.Optimizer, index: int) -> OptimizerInfo:
    """Kind, learning rates by group, and settings."""
    first = optimizer.param_groups[0] if optimizer.param_groups else {}
    config = {
        key: value
        for key, value in first.items()
        if key != "params" and isinstance(value, bool | int | float | str | tuple)
    }
    return OptimizerInfo(
        name=str(index),
        kind=type(optimizer).__name__.lower(),
        learning_rates=tuple(learning_rates(optimizer)),
        config=config,
        scheduled="initial_lr" in first,
    )


def learning_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """The current rate of each group; NaN where a group has none."""
    return [float(group.get("lr", float("nan"))) for group in optimizer.param_groups]


def loss_info(function: str, options: Mapping[str, Any], target: object) -> LossInfo:
    """The loss as its functional form was called."""
    kind, reads = LOSSES[function]
    sparse = None
    if isinstance(target, Tensor):
        sparse = kind in ("cross-entropy", "nll") and not target.is_floating_point()
    if function == "kl_div" and options.get("log_target"):
        reads = "log-probabilities"
    return LossInfo(
        kind=kind,
        reads=reads,
        name=function,
        sparse=sparse,
        weighted=any(options.get(name) is not None for name in ("weight", "pos_weight")),
        config=_loss_config(kind, options),
    )


def _loss_config(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if kind in ("cross-entropy", "nll"):
        config["ignore"] = options.get("ignore_index", -100)
    if options.get("reduction", "mean") != "mean":
        config["reduction"] = str(options["reduction"])
    if options.get("label_smoothing"):
        config["smoothing"] = float(options["label_smoothing"])
    weights = _class_weights(kind, options)
    if weights:
        config["class_weights"] = weights
    return config


def _class_weights(kind: str, options: Mapping[str, Any]) -> list[list[float]]:
    """Pairs of a class and its weight in the loss; empty where classes have none."""
    if kind in ("cross-entropy", "nll"):
        given = options.get("weight")
        if isinstance(given, Tensor) and given.ndim == 1 and given.numel() <= CLASSES:
            return [[float(c), float(w)] for c, w in enumerate(given.detach().tolist())]
    positive = options.get("pos_weight") if kind == "binary-cross-entropy" else None
    if isinstance(positive, Tensor) and positive.numel() == 1:
        return [[0.0, 1.0], [1.0, float(positive.detach())]]
    return []


def infer_inputs(tensors: Mapping[str, Tensor], layers: tuple[Layer, ...]) -> str | None:
    """The kind of inputs by shape, dtype and first layer."""
    if not tensors:
        return None
    x = next(iter(tensors.values()))
    kinds = {layer.kind for layer in layers}
    if (
        not x.is_floating_point()
        and "embedding" in kinds
        and x.ndim <= 2
        and x.dtype != torch.uint8
    ):
        return "text"
    if x.ndim == 4 or (x.ndim == 3 and not kinds & {"recurrent", "attention"} and x.shape[-1] >= 8):
        return "image"
    if x.ndim == 3:
        return "sequence"
    return "tabular" if x.ndim == 2 else None


def infer_outputs(
    loss: LossInfo | None, output: Tensor | None, target: Tensor | None
) -> str | None:
    """The kind of outputs by loss, width and targets."""
    if loss is None:
        return None
    if loss.kind in ("cross-entropy", "nll"):
        return "classification"
    if loss.kind == "binary-cross-entropy":
        wide = output is not None and output.ndim >= 2 and output.shape[-1] > 1
        one_hot = (
            wide
            and target is not None
            and target.ndim == 2
            and bool((target.sum(dim=-1) == 1).all())
        )
        if wide and output is not None and output.ndim > 2:
            return "regression"
        return "multilabel" if wide and not one_hot else "classification"
    return "regression" if loss.kind in ("mse", "mae", "huber", "poisson") else None
