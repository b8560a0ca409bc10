"""Numbers of token batches, on rows made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from trema.adapters.torch.batch import LossCall
from trema.adapters.torch.tokens import Tokens, readable
from trema.core.facts import TOKEN_NAMES, Fact

PAD, END = 0, 9


class TinyForCausalLM(nn.Module):
    """A model as those of transformers declare themselves."""

    def __init__(self, pad: int | None = PAD, end: int | None = END) -> None:
        super().__init__()
        self.config = SimpleNamespace(pad_token_id=pad, eos_token_id=end, is_encoder_decoder=False)
        self.wte = nn.Embedding(12, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Rows of the embedding."""
        found: Tensor = self.wte(input_ids)
        return found


class TinyEncoder(TinyForCausalLM):
    """The same, but not causal."""


def numbers(model: nn.Module, call: LossCall | None = None, **inputs: Any) -> dict[str, float]:
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    facts = Tokens(model).facts(tensors, call)
    found = {name: value for (fact, name), value in facts.items() if fact is Fact.TOKENS}
    assert set(found) <= set(TOKEN_NAMES)
    return {name: float(value) for name, value in found.items()}


IDS = [[3, 4, 5, 6, 7, END], [3, 4, END, PAD, PAD, PAD]]
MASK = [[1] * 6, [1, 1, 1, 0, 0, 0]]


def test_labels_that_are_the_ids_count_padding() -> None:
    found = numbers(TinyForCausalLM(), input_ids=IDS, attention_mask=MASK, labels=IDS)
    assert found["padding"] == 0.25
    assert found["unmasked"] == 0
    assert found["labelled"] == 1
    assert found["labelled-padding"] == 0.25
    assert found["same"] == 1
    assert found["ends"] == found["ends-labelled"] == 2
    assert (found["rows"], found["width"], found["longest"], found["full"]) == (2, 6, 6, 0.5)


def test_ends_are_lost_when_padding_is_the_end() -> None:
    model = TinyForCausalLM(pad=END)
    ids = [[3, 4, 5, 6, 7, END], [3, 4, END, END, END, END]]
    labels = [[i if i != END else -100 for i in row] for row in ids]
    masks: tuple[dict[str, Any], ...] = ({"attention_mask": MASK}, {})
    for mask in masks:
        found = numbers(model, input_ids=ids, labels=labels, **mask)
        assert found["ends"] == 2
        assert found["ends-labelled"] == 0
        assert found["labelled-padding"] == 0


def test_labels_shifted_before_are_the_next_tokens() -> None:
    labels = [[4, 5, 6, 7, END, -100], [4, END, -100, -100, -100, -100]]
    found = numbers(TinyForCausalLM(), input_ids=IDS, attention_mask=MASK, labels=labels)
    assert found["next"] == 1
    assert found["same"] == 0
    assert found["inside"] == 1


def test_a_loss_of_ones_own_is_read_by_position() -> None:
    ids = torch.tensor(IDS)
    result = torch.zeros(())
    for target, same in ((ids.reshape(-1), 1.0), (ids[:, 1:].reshape(-1), None)):
        call = LossCall("cross_entropy", {"ignore_index": PAD}, result, target, result)
        found = numbers(TinyForCausalLM(), call, input_ids=IDS)
        assert found["inside"] == 0
        assert found["labelled-padding"] == 0
        assert (found["same"] == 1.0) is (same is not None)
        assert (found["next"] == 1.0) is (same is None)


def test_padding_in_front_matters_to_causal_models_and_all_to_others() -> None:
    front = [[PAD, PAD, PAD, 3, 4, 5], [3, 4, 5, 6, 7, 8]]
    assert numbers(TinyForCausalLM(), input_ids=IDS)["unmasked"] == 0
    assert numbers(TinyForCausalLM(), input_ids=front)["unmasked"] == 0.25
    assert numbers(TinyEncoder(), input_ids=IDS)["unmasked"] == 0.25
    ones: dict[str, Any] = {"attention_mask": [[1] * 6, [1] * 6]}
    assert numbers(TinyEncoder(), input_ids=IDS, **ones)["unmasked-rows"] == 0.5
    short = [[3, 4, 5, 6, PAD, PAD], [3, 4, 5, 6, 7, 8]]  # two ids may be tokens
    assert numbers(TinyEncoder(), input_ids=short)["unmasked"] == 0


def test_rows_without_a_label() -> None:
    labels = [[-100] * 6, [-100, 4, END, -100, -100, -100]]
    found = numbers(TinyForCausalLM(), input_ids=IDS, labels=labels)
    assert found["empty-rows"] == 0.5
    nothing = numbers(TinyForCausalLM(), input_ids=IDS, labels=[[-100] * 6] * 2)
    assert nothing["empty-rows"] == 1
    assert "same" not in nothing  # a share of nothing is not known


def test_a_frozen_row_that_equals_the_mean_is_told() -> None:
    model = TinyForCausalLM()
    with torch.no_grad():
        for _ in range(8):  # the row is itself a part of the mean
            model.wte.weight[7] = model.wte.weight.mean(0)
    assert "untrained-ids" not in numbers(model, input_ids=IDS)
    model.wte.weight.requires_grad_(False)
    found = numbers(model, input_ids=IDS)
    assert found["untrained-ids"] == 1
    assert found["untrained-rows"] == 0.5


def test_what_is_no_row_of_tokens_is_left_out() -> None:
    assert numbers(nn.Linear(2, 2), x=[[0.5, 1.0]]) == {}
    assert numbers(nn.Linear(2, 2), x=[1, 2, 3]) == {}
    assert numbers(nn.Embedding(4, 2), a=[[1, 2]], b=[[1, 2]]) == {}


def test_classes_of_tokens_and_of_rows_are_no_text() -> None:
    found = numbers(TinyEncoder(), input_ids=IDS, attention_mask=MASK, labels=[1, 0])
    assert "labelled" not in found


def test_readable_inputs_are_the_ids_with_padding_as_zero() -> None:
    ids = torch.tensor([[5, 6, END, END]])
    given = {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1, 0]]), "labels": ids}
    assert readable(given)["input_ids"].tolist() == [[5, 6, END, 0]]
    plain = {"x": torch.zeros(2, 3)}
    assert readable(plain) is plain
