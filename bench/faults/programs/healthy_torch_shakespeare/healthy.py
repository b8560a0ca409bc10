import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from data import shakespeare

block_size, batch_size, d_model, n_head, n_layer = 48, 24, 64, 4, 2
torch.manual_seed(1337)

text = shakespeare()
chars = sorted(set(text))
index = {c: i for i, c in enumerate(chars)}
tokens = torch.tensor([index[c] for c in text])
n = int(0.9 * len(tokens))
splits = {"train": tokens[:n], "val": tokens[n:]}


def get_batch(split):
    data = splits[split]
    starts = torch.randint(len(data) - block_size, (batch_size,))
    x = torch.stack([data[i : i + block_size] for i in starts])
    y = torch.stack([data[i + 1 : i + block_size + 1] for i in starts])
    return x, y


class CharTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(len(chars), d_model)
        self.pos = nn.Embedding(block_size, d_model)
        layer = nn.TransformerEncoderLayer(
            d_model, n_head, 4 * d_model, dropout=0.1, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, n_layer, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, len(chars))

    def forward(self, idx):
        t = idx.size(1)
        mask = nn.Transformer.generate_square_subsequent_mask(t)
        x = self.tok(idx) + self.pos(torch.arange(t))
        return self.head(self.norm(self.blocks(x, mask=mask, is_causal=True)))


@torch.no_grad()
def estimate(split, batches=10):
    model.eval()
    losses = []
    for _ in range(batches):
        x, y = get_batch(split)
        losses.append(F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item())
    model.train()
    return sum(losses) / batches


model = CharTransformer()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.99))
for step in range(300):
    if step % 75 == 0:
        print(f"step {step}: train {estimate('train'):.4f} val {estimate('val'):.4f}")
    x, y = get_batch("train")
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

print("bits per character", estimate("val") / math.log(2))
print("metric", round(estimate("val", 20), 4))
