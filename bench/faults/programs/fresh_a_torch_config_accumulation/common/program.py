"""Next characters of a play, with a GRU."""

import tomllib
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(17)
with open("run.toml", "rb") as file:
    config = tomllib.load(file)
train = config["train"]

text = Path("play.txt").read_text(encoding="utf-8")
alphabet = sorted(set(text))
ids = torch.tensor([alphabet.index(c) for c in text])
windows = ids[: len(ids) // train["window"] * train["window"]].view(-1, train["window"])
order = torch.randperm(len(windows))
validation, training = windows[order[:100]], windows[order[100:]]


class Writer(nn.Module):
    def __init__(self, characters, embedding, hidden):
        super().__init__()
        self.embed = nn.Embedding(characters, embedding)
        self.gru = nn.GRU(embedding, hidden, batch_first=True)
        self.out = nn.Linear(hidden, characters)

    def forward(self, x):
        return self.out(self.gru(self.embed(x))[0])


def score(model, batch):
    logits = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


model = Writer(len(alphabet), **config["model"])
optimizer = torch.optim.AdamW(model.parameters(), lr=train["rate"], weight_decay=0.01)
for epoch in range(train["epochs"]):
    model.train()
    optimizer.zero_grad()
    running = 0.0
    batches = training[torch.randperm(len(training))].split(train["batch"])
    for index, batch in enumerate(batches):
        loss = score(model, batch)
        (loss / train["accumulate"]).backward()
        running += loss.item()
        if (index + 1) % train["accumulate"] == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        val = score(model, validation).item()
    print(f"epoch {epoch}: train {running / len(batches):.3f}, validation {val:.3f}")
