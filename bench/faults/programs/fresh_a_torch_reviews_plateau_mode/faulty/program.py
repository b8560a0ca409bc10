"""Sentiment of reviews from averaged word vectors."""

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(41)


class Average(nn.Module):
    def __init__(self, words=4000, size=32):
        super().__init__()
        self.vectors = nn.EmbeddingBag(words, size, mode="mean", padding_idx=0)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(size, 2)

    def forward(self, ids):
        return self.out(self.dropout(self.vectors(ids)))


def evaluate(net, x, y):
    net.eval()
    with torch.no_grad():
        logits = net(x)
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean()


z = np.load("reviews.npz")
train = TensorDataset(torch.from_numpy(z["x_train"]), torch.from_numpy(z["y_train"]))
x_val, y_val = torch.from_numpy(z["x_test"]), torch.from_numpy(z["y_test"])
net = Average()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=0.2, patience=0)
for epoch in range(10):
    net.train()
    for ids, labels in DataLoader(train, batch_size=50, shuffle=True):
        loss = nn.functional.cross_entropy(net(ids), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    val_loss, accuracy = evaluate(net, x_val, y_val)
    scheduler.step(val_loss)
    rate = optimizer.param_groups[0]["lr"]
    print(f"{epoch + 1}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}, rate {rate:.1e}")
