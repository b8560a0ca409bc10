import numpy as np
import torch
from scoring import score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(68)
z = np.load("fashion.npz")


def shape(a):
    return torch.from_numpy(a).float().unsqueeze(1) / 255


train = DataLoader(
    TensorDataset(shape(z["x_train"]), torch.from_numpy(z["y_train"])), 40, shuffle=True
)
val = DataLoader(TensorDataset(shape(z["x_test"]), torch.from_numpy(z["y_test"])), 200)

model = nn.Sequential(
    nn.Conv2d(1, 12, 5, stride=2),
    nn.BatchNorm2d(12),
    nn.ReLU(),
    nn.Dropout(0.25),
    nn.Flatten(),
    nn.Linear(1728, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
model.train()
for epoch in range(4):
    for x, y in train:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    print(epoch, *score(model, val, loss_fn))
