"""Complete the lines of a play, character by character."""

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, random_split

torch.manual_seed(201)
PAD = 0
lines = [s for s in Path("play.txt").read_text(encoding="utf-8").splitlines() if len(s) > 3]
letters = {c: i + 1 for i, c in enumerate(sorted({c for s in lines for c in s}))}
coded = [torch.tensor([letters[c] for c in s]) for s in lines]
train, val = random_split(coded, [len(coded) - 80, 80])


def collate(batch):
    return pad_sequence(batch, batch_first=True, padding_value=PAD)


class Completer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(letters) + 1, 20, padding_idx=PAD)
        self.rnn = nn.GRU(20, 48, batch_first=True)
        self.out = nn.Linear(48, len(letters) + 1)

    def forward(self, x):
        return self.out(self.rnn(self.embed(x))[0])


net = Completer()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)


def loss_of(batch):
    return criterion(net(batch[:, :-1]).transpose(1, 2), batch[:, 1:])


for epoch in range(5):
    net.train()
    for batch in DataLoader(train, 24, shuffle=True, collate_fn=collate):
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, loss.item(), loss_of(collate(list(val))).item())
