import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(208)
z = np.load("imdb.npz")
train = TensorDataset(torch.from_numpy(z["x_train"]), torch.from_numpy(z["y_train"]).float())
held_x, held_y = torch.from_numpy(z["x_test"]), torch.from_numpy(z["y_test"]).float()


class Mood(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(2000, 24, padding_idx=0)
        self.scan = nn.LSTM(24, 24)
        self.vote = nn.Linear(24, 1)

    def forward(self, ids):
        hidden, _ = self.scan(self.table(ids))
        return self.vote(hidden.mean(dim=1)).squeeze(-1)


mood = Mood()
bce = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(mood.parameters(), lr=4e-3)
for epoch in range(4):
    mood.train()
    for ids, sign in DataLoader(train, batch_size=30, shuffle=True):
        optimizer.zero_grad()
        loss = bce(mood(ids), sign)
        loss.backward()
        nn.utils.clip_grad_norm_(mood.parameters(), 2.0)
        optimizer.step()
    mood.eval()
    with torch.no_grad():
        out = mood(held_x)
    print(
        epoch,
        loss.item(),
        bce(out, held_y).item(),
        ((out > 0) == (held_y > 0.5)).float().mean().item(),
    )
