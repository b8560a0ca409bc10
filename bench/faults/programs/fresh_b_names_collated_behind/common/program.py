"""Guess a passenger's sex from the letters of the name."""

import csv

import torch
from batching import pad_batch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(8)
with open("titanic.csv", newline="", encoding="utf-8") as f:
    people = [(row["Name"], float(row["Sex"] == "female")) for row in csv.DictReader(f)]
encoded = [(torch.tensor([ord(c) % 128 for c in name]), sex) for name, sex in people]
train = DataLoader(encoded[:700], batch_size=25, shuffle=True, collate_fn=pad_batch)
val = DataLoader(encoded[700:], batch_size=64, collate_fn=pad_batch)


class NameReader(nn.Module):
    def __init__(self, vocab=128, dim=16, hidden=32):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.rnn = nn.GRU(dim, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, tokens):
        outputs, _ = self.rnn(self.embed(tokens))
        return self.head(outputs[:, -1]).squeeze(-1)


net = NameReader()
opt = torch.optim.Adam(net.parameters(), lr=0.005)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(6):
    net.train()
    running = 0.0
    for tokens, sex in train:
        opt.zero_grad()
        loss = loss_fn(net(tokens), sex)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        running += loss.item()
    net.eval()
    right = 0
    with torch.no_grad():
        for tokens, sex in val:
            right += ((net(tokens) > 0) == (sex > 0.5)).sum().item()
    print(f"[{epoch}] loss={running / len(train):.3f} val_acc={right / (len(encoded) - 700):.3f}")
