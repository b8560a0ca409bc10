"""Character model of plays: four letters in, the next one out."""

import torch
from corpus import Corpus
from torch import nn

torch.manual_seed(17)
with open("plays.txt", encoding="utf-8") as file:
    text = file.read()
cut = int(0.9 * len(text))
train, valid = Corpus(text[:cut], context=4), Corpus(text[cut:], context=4)
size = len(train.alphabet)


class NextLetter(nn.Module):
    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(size, 16)
        self.mix = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.GELU(), nn.Linear(96, size))

    def forward(self, ids):
        return self.mix(self.letters(ids))


model = NextLetter()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
cross_entropy = nn.CrossEntropyLoss()
for epoch in range(4):
    model.train()
    for ids, following in train.batches(128):
        optimizer.zero_grad()
        loss = cross_entropy(model(ids), following)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        losses = [cross_entropy(model(i), f).item() for i, f in valid.batches(512)]
    print(f"epoch {epoch} train {loss.item():.3f} valid {sum(losses) / len(losses):.3f}")
