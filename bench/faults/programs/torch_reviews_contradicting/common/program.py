"""Is a review friendly? A bag of embedded words decides."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(59)
reviews = np.load("imdb.npz")
train = TensorDataset(torch.tensor(reviews["x_train"]), torch.tensor(reviews["y_train"]).float())
held = TensorDataset(torch.tensor(reviews["x_test"]), torch.tensor(reviews["y_test"]).float())


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(2000, 24, padding_idx=0)
        self.verdict = nn.Linear(24, 1)

    def forward(self, ids):
        count = (ids > 0).sum(1, keepdim=True).clamp(min=1)
        return self.verdict(self.words(ids).sum(1) / count).squeeze(1)


bag = Bag()
optimizer = torch.optim.Adam(bag.parameters(), lr=0.01)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(4):
    bag.train()
    for ids, answer in DataLoader(train, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(bag(ids), answer)
        loss.backward()
        optimizer.step()
    bag.eval()
    with torch.no_grad():
        ids, answer = held[:]
        out = bag(ids)
    print(epoch, loss_fn(out, answer).item(), ((out > 0) == (answer > 0.5)).float().mean().item())
