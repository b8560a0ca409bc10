"""Read the digits row by row with an LSTM that wants (time, batch, features)."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(41)
images, labels = load_digits(return_X_y=True)
images = torch.tensor(images, dtype=torch.float32).view(-1, 8, 8) / 16
labels = torch.tensor(labels)
perm = torch.randperm(len(images), generator=torch.Generator().manual_seed(41))
train_idx, val_idx = perm[:1400], perm[1400:]


class RowLSTM(torch.nn.Module):
    def __init__(self, hidden_size=40, classes=10):
        super().__init__()
        self.lstm = torch.nn.LSTM(input_size=8, hidden_size=hidden_size)
        self.classify = torch.nn.Linear(hidden_size, classes)

    def forward(self, batch):
        steps = batch.permute(1, 0, 2)
        _, (h_n, _) = self.lstm(steps)
        return self.classify(h_n[-1])


net = RowLSTM()
optimizer = torch.optim.RMSprop(net.parameters(), lr=3e-3)
for epoch in range(12):
    net.train()
    for idx in train_idx[torch.randperm(len(train_idx))].split(35):
        loss = F.cross_entropy(net(images[idx]), labels[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        prediction = net(images[val_idx])
        acc = (prediction.argmax(-1) == labels[val_idx]).float().mean()
        val_loss = F.cross_entropy(prediction, labels[val_idx])
    print(f"{epoch:2d}  train {loss:.3f}  val {val_loss:.3f}  acc {acc:.3f}")
