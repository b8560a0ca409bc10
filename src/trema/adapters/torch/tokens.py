"""Sequences of tokens: what a sampled batch shows of padding, masks, ends and labels.

The numbers are defined in :data:`trema.core.facts.TOKEN_NAMES`. A model is known by its
configuration, as those of transformers have it, or by the padding index of its embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trema.adapters.torch.batch import LossCall
from trema.adapters.torch.measure import Values
from trema.core.facts import Fact

#: Shorter runs of the padding id at an end of a row may be tokens.
LEAST_RUN = 3
#: Rows of an embedding that its mean and spread are taken from.
SPREAD_ROWS = 4096
#: Batches in which rows that were never trained are looked for.
LOOKS = 8
#: Names of PEFT for a layer inside what it has put around it.
_WRAPPED = frozenset({"base_layer", "original_module", "token_adapter", "modules_to_save"})
#: Inputs of integers that are no tokens.
_NO_TOKENS = ("mask", "label", "target", "position", "type", "length")


class Tokens:
    """Reads the batches of one model."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._read = False
        self.pad: int | None = None  # an adapter above may know them from the tokenizer
        self.ends: frozenset[int] = frozenset()
        self.causal = self.pairs = self.masks = False
        self._longest = self._full = self._rows = 0
        self._table: Tensor | None = None  # a frozen embedding
        self._looks = 0

    def facts(self, inputs: Mapping[str, Tensor], call: LossCall | None) -> Values:
        """The numbers of one batch; none when it holds no rows of tokens."""
        if not self._read:
            self._read = True
            self._read_model()
        ids = _ids(inputs)
        if ids is None:
            return {}
        found = self._lengths(ids, inputs.get("attention_mask"))
        found |= self._labels(ids, inputs, call)
        found |= self._untrained(ids)
        values = torch.stack([v.float() for v in found.values()]).tolist()
        numbers = {n: v for n, v in zip(found, values, strict=True) if v == v}  # 0 of 0 is unknown
        numbers["rows"], numbers["width"] = float(ids.shape[0]), float(ids.shape[1])
        numbers["causal"] = float(self.causal)
        self._count(numbers)
        return {(Fact.TOKENS, name): number for name, number in numbers.items()}

    # the model ----------------------------------------------------------------------------

    def _read_model(self) -> None:
        for path, module in self._model.named_modules():
            config = getattr(module, "config", None)
            if hasattr(config, "pad_token_id") and hasattr(config, "eos_token_id"):
                self._read_config(config)
                self.causal = self.causal or _shifts(module)
                self.masks = self.masks or _takes_mask(module)
                self.pairs = self.pairs or bool(getattr(config, "is_encoder_decoder", False))
            elif isinstance(module, nn.Embedding):
                self.pad = module.padding_idx if self.pad is None else self.pad
                if self._table is None and not _trained(self._model, path):
                    self._table = module.weight

    def _read_config(self, config: Any) -> None:
        pad, end = config.pad_token_id, config.eos_token_id
        if self.pad is None and isinstance(pad, int) and pad >= 0:
            self.pad = pad
        if not self.ends:
            given = end if isinstance(end, list | tuple) else [end]
            self.ends = frozenset(e for e in given if isinstance(e, int) and e >= 0)

    # numbers ------------------------------------------------------------------------------

    def _padded(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Positions that are padding, and those of them that no mask takes out."""
        behind, before = self._runs(ids)
        run = behind | before
        if mask is None:
            padded, seen = run, run if self.masks else torch.zeros_like(run)
        elif mask.shape == ids.shape:
            padded, seen = run | (mask == 0), run & (mask != 0)
        else:  # of another form: nothing is said of it
            padded, seen = run, torch.zeros_like(run)
        # tokens of a causal model do not see what follows them
        return padded, seen & before if self.causal else seen

    def _runs(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Runs of the padding id behind and before the tokens."""
        if self.pad is None:
            nothing = torch.zeros_like(ids, dtype=torch.bool)
            return nothing, nothing
        at = (ids == self.pad).to(torch.int32)
        behind = at.flip(1).cumprod(1).flip(1).bool()
        before = at.cumprod(1).bool()
        behind &= behind.sum(1, keepdim=True) >= LEAST_RUN
        before &= before.sum(1, keepdim=True) >= LEAST_RUN
        if self.pad in self.ends:  # the first one ends the sequence
            first = behind & ~torch.cat([torch.zeros_like(behind[:, :1]), behind[:, :-1]], 1)
            behind = behind & ~first
        return behind, before & ~behind

    def _lengths(self, ids: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        padded, seen = self._padded(ids, mask)
        lengths = (~padded).sum(1)
        longest = lengths.max()
        return {
            "padding": padded.float().mean(),
            "unmasked": seen.float().mean(),
            "unmasked-rows": seen.any(1).float().mean(),
            "longest": longest,
            "at-longest": (lengths == longest).sum(),
            "at-known": (lengths == self._longest).sum(),
        }

    def _labels(
        self, ids: Tensor, inputs: Mapping[str, Tensor], call: LossCall | None
    ) -> dict[str, Tensor]:
        labels, ignore, inside = _labels_of(ids, inputs, call)
        if labels is None:
            return {}
        counted = labels != ignore
        total = counted.sum()
        found = {
            "labelled": counted.float().mean(),
            "empty-rows": (~counted.any(1)).float().mean(),
            "inside": torch.tensor(float(inside), device=ids.device),
        }
        if self.pairs or labels.shape != ids.shape:  # of a decoder, with its own padding
            behind, _ = self._runs(labels)
            return found | {"labelled-padding": (counted & behind).sum() / total}
        mask = inputs.get("attention_mask")
        padded, _ = self._padded(ids, mask)
        following = counted[:, :-1]
        found |= {
            "labelled-padding": (counted & padded).sum() / total,
            "same": (counted & (labels == ids)).sum() / total,
            "next": (following & (labels[:, :-1] == ids[:, 1:])).sum() / following.sum(),
        }
        if self.causal and inside and self.ends:
            found |= self._ends(ids, ~padded, counted)
        return found

    def _ends(self, ids: Tensor, real: Tensor, counted: Tensor) -> dict[str, Tensor]:
        """Rows that close with the end token after a labelled one, and those whose end counts."""
        width = ids.shape[1]
        last = (width - 1 - real.flip(1).int().argmax(1)).clamp(min=1)[:, None]
        closing = ids.gather(1, last)
        ends = torch.zeros_like(closing, dtype=torch.bool)
        for end in self.ends:
            ends |= closing == end
        ends &= real.any(1, keepdim=True) & counted.gather(1, last - 1)
        return {"ends": ends.sum(), "ends-labelled": (ends & counted.gather(1, last)).sum()}

    def _untrained(self, ids: Tensor) -> dict[str, Tensor]:
        """Ids whose rows of a frozen embedding equal its mean, as rows that were added do."""
        table = self._table
        self._looks += 1
        if table is None or table.ndim != 2 or self._looks > LOOKS:
            return {}
        stride = max(1, table.shape[0] // SPREAD_ROWS)
        rows = table.detach()[::stride].float()
        mean = rows.mean(0)
        typical = (rows - mean).norm(dim=1).median()
        used = ids.unique()
        used = used[(used >= 0) & (used < table.shape[0])]
        if self.pad is not None:
            used = used[used != self.pad]
        near = (table.detach()[used].float() - mean).norm(dim=1) < 0.1 * typical
        touched = torch.isin(ids, used[near]).any(1)
        return {"untrained-ids": near.sum(), "untrained-rows": touched.float().mean()}

    def _count(self, numbers: dict[str, float]) -> None:
        """How many sequences so far have just the greatest length seen."""
        known, batch = numbers.pop("at-known"), numbers.pop("at-longest")
        longest = int(numbers["longest"])
        if longest > self._longest:
            self._longest, self._full = longest, int(batch)
        else:
            self._full += int(known)
        self._rows += int(numbers["rows"])
        numbers["longest"] = float(self._longest)
        numbers["full"] = self._full / max(1, self._rows)
        numbers["rows-seen"] = float(self._rows)


def readable(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tokens alone, padding as 0, of inputs by name; other inputs as they are."""
    ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    if ids is None or ids.ndim != 2:
        return inputs
    if mask is not None and mask.shape == ids.shape:
        ids = ids * (mask != 0)
    return {"input_ids": ids}


def _ids(inputs: Mapping[str, Tensor]) -> Tensor | None:
    """The rows of token ids, of shape (row, position)."""
    given = inputs.get("input_ids")
    if given is None:
        rest = [t for n, t in inputs.items() if not any(word in n for word in _NO_TOKENS)]
        given = rest[0] if len(rest) == 1 else None
    if given is None or given.ndim != 2 or given.shape[1] < 2 or not given.shape[0]:
        return None
    return given if given.dtype in (torch.int64, torch.int32) else None


def _labels_of(
    ids: Tensor, inputs: Mapping[str, Tensor], call: LossCall | None
) -> tuple[Tensor | None, int, bool]:
    """Labels by position, the label that is ignored, and whether the model was given them."""
    labels = inputs.get("labels")
    if labels is not None:
        fits = labels.ndim == 2 and not labels.is_floating_point()
        return (labels if fits and labels.shape[1] > 1 else None), -100, True
    target = call.target if call is not None else None
    if call is None or target is None or target.is_floating_point():
        return None, -100, False
    ignore = int(call.options.get("ignore_index", -100))
    rows, width = ids.shape
    if target.numel() == ids.numel():
        return target.reshape(rows, width), ignore, False
    if width > 3 and target.numel() == rows * (width - 1):  # outputs but the last are compared
        last = torch.full_like(ids[:, :1], ignore)
        return torch.cat([target.reshape(rows, width - 1).to(ids.dtype), last], 1), ignore, False
    return None, ignore, False


def _trained(model: nn.Module, path: str) -> bool:
    """Whether a layer trains, or what PEFT has put around it for some of its rows or a copy."""
    parts = path.split(".")
    while parts and parts[-1] in _WRAPPED:
        parts.pop()
    around = model.get_submodule(".".join(parts))
    return any(p.requires_grad for p in around.parameters())


def _shifts(module: nn.Module) -> bool:
    """Whether it is a causal language model of transformers, which shifts labels by itself."""
    name = type(module).__name__
    return name.endswith(("ForCausalLM", "LMHeadModel")) and not name.startswith("Peft")


def _takes_mask(module: nn.Module) -> bool:
    code = getattr(type(module).forward, "__wrapped__", type(module).forward)
    names = getattr(getattr(code, "__code__", None), "co_varnames", ())
    return "attention_mask" in names
