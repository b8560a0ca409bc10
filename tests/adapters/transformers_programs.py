"""Small Trainer programs over made-up sentences; a tokenizer is trained on the spot."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

WHO = ("the cat", "a dog", "my aunt", "the old man", "our teacher", "a small bird")
DOES = ("eats", "likes", "sees", "hates", "paints", "hears")
WHAT = ("red apples", "the sea", "a long road", "cold soup", "three boats", "this song")
HOW = ("", "in the morning", "with great care", "when it rains and nobody looks", "again")


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences of four to twelve words."""
    draw = random.Random(seed)
    parts = (WHO, DOES, WHAT, HOW)
    return [" ".join(draw.choice(part) for part in parts).strip() for _ in range(count)]


def tokenizer(texts: list[str]) -> Any:
    """A tokenizer of whole words with ids of its own for padding and the end."""
    plain = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<eos>"]
    plain.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=special))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        eos_token="<eos>",
    )


def arguments(folder: Path, **options: Any) -> Any:
    """Training arguments of a short, quiet run on the CPU."""
    given = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 16,
        "num_train_epochs": 2,
        "save_strategy": "no",
        "logging_steps": 5,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "learning_rate": 2e-3,
        "seed": 0,
    }
    return transformers.TrainingArguments(**{**given, **options})


def causal_model(tok: Any, seed: int = 0) -> Any:
    """A tiny GPT-2."""
    torch.manual_seed(seed)
    end = tok.eos_token_id
    config = transformers.GPT2Config(
        vocab_size=len(tok), n_embd=32, n_layer=2, n_head=2, n_positions=32,
        bos_token_id=end, eos_token_id=end, pad_token_id=tok.pad_token_id,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def bert(tok: Any) -> Any:
    """The configuration of a tiny BERT."""
    torch.manual_seed(0)
    return transformers.BertConfig(
        vocab_size=len(tok), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32, pad_token_id=tok.pad_token_id,
    )  # fmt: skip


def rows(tok: Any, texts: list[str]) -> list[dict[str, list[int]]]:
    """Ids with the end token."""
    return [{"input_ids": tok(text)["input_ids"] + [tok.eos_token_id]} for text in texts]


def causal(folder: Path, callbacks: list[Any], *, collator: Any = None, **options: Any) -> Any:
    """A Trainer of a causal language model."""
    texts = sentences(320)
    tok = tokenizer(texts)
    encoded = rows(tok, texts)
    model = options.pop("model", None) or causal_model(tok)
    return transformers.Trainer(
        model=model,
        args=arguments(folder, eval_strategy="epoch", **options),
        train_dataset=encoded[:256],
        eval_dataset=encoded[256:],
        data_collator=collator(tok)
        if collator is not None
        else transformers.DataCollatorForLanguageModeling(tok, mlm=False),
        callbacks=callbacks,
    )


def lora(folder: Path, callbacks: list[Any]) -> Any:
    """The same model with adapters."""
    import peft

    tok = tokenizer(sentences(320))
    config = peft.LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    model = peft.get_peft_model(causal_model(tok), config)
    return causal(folder, callbacks, model=model)


def masked(folder: Path, callbacks: list[Any]) -> Any:
    """A Trainer of a masked language model."""
    texts = sentences(320)
    tok = tokenizer(texts)
    encoded = rows(tok, texts)
    return transformers.Trainer(
        model=transformers.BertForMaskedLM(bert(tok)),
        args=arguments(folder, eval_strategy="steps", eval_steps=6),
        train_dataset=encoded[:256],
        eval_dataset=encoded[256:],
        data_collator=transformers.DataCollatorForLanguageModeling(tok, mlm_probability=0.3),
        callbacks=callbacks,
    )


def classes(folder: Path, callbacks: list[Any], *, mask: bool = True, **options: Any) -> Any:
    """A Trainer of a classifier: does the sentence tell of a dislike or a liking?"""
    texts = sentences(480)
    tok = tokenizer(texts)
    encoded = []
    for text in texts:
        row = tok(text, padding="max_length", max_length=20)
        label = int(any(word in text for word in ("hates", "sees", "eats")))
        kept = {"input_ids": row["input_ids"], "label": label}
        encoded.append(kept | ({"attention_mask": row["attention_mask"]} if mask else {}))
    return transformers.Trainer(
        model=transformers.BertForSequenceClassification(bert(tok)),
        args=arguments(folder, eval_strategy="epoch", **options),
        train_dataset=encoded[:384],
        eval_dataset=encoded[384:],
        data_collator=transformers.default_data_collator,
        compute_metrics=lambda p: {
            "accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())
        },
        callbacks=callbacks,
    )
