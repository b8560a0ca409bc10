import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import imdb
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--lr", type=float, default=5e-3)
args = parser.parse_args()

torch.manual_seed(0)


class Sentiment(nn.Module):
    def __init__(self, vocab=5000, dim=16):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        self.layers = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, tokens):
        mask = (tokens != 0).unsqueeze(-1).float()
        pooled = (self.embedding(tokens) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return self.layers(pooled).squeeze(-1)


train, test = imdb(4000, 1000, 120, 5000)
x, y = torch.from_numpy(train[0]), torch.from_numpy(train[1]).float()
x_test, y_test = torch.from_numpy(test[0]), torch.from_numpy(test[1]).float()
x_train, y_train, x_val, y_val = x[:3200], y[:3200], x[3200:], y[3200:]

model = Sentiment()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

for epoch in range(args.epochs):
    model.train()
    order = torch.randperm(len(x_train))
    total = 0.0
    for batch in order.split(args.batch_size):
        optimizer.zero_grad()
        loss = criterion(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    model.eval()
    with torch.no_grad():
        val = criterion(model(x_val), y_val).item()
    print(f"epoch {epoch + 1}: train {total / len(x_train):.4f} val {val:.4f}")

with torch.no_grad():
    accuracy = ((model(x_test) > 0) == (y_test > 0.5)).float().mean().item()
print("metric", round(accuracy, 4))
