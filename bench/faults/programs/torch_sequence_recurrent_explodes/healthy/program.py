"""Next character of a play, by a plain recurrent network."""

from pathlib import Path

import torch
from torch import nn

torch.manual_seed(71)
text = Path("text.txt").read_text(encoding="utf-8")
alphabet = sorted(set(text))
codes = torch.tensor([alphabet.index(c) for c in text])
length = 60
rows = codes[: len(codes) // (length + 1) * (length + 1)].view(-1, length + 1)
train, val = rows[:420], rows[420:]


class Speaker(nn.Module):
    def __init__(self, size=64):
        super().__init__()
        self.embed = nn.Embedding(len(alphabet), 24)
        self.memory = nn.GRU(24, size, batch_first=True)
        self.speak = nn.Linear(size, len(alphabet))

    def forward(self, ids):
        return self.speak(self.memory(self.embed(ids))[0])


speaker = Speaker()
optimizer = torch.optim.Adam(speaker.parameters(), lr=4e-3)


def loss_of(batch):
    return nn.functional.cross_entropy(speaker(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


for epoch in range(8):
    for batch in train[torch.randperm(len(train))].split(20):
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(speaker.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), loss_of(val).item())
