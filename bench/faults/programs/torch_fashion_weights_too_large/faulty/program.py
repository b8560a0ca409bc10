import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(19)
file = np.load("fashion.npz")


def to_x(a):
    return (torch.from_numpy(a).float().reshape(len(a), -1) - 72.9) / 90.0


train = TensorDataset(to_x(file["x_train"]), torch.from_numpy(file["y_train"]))
x_val, y_val = to_x(file["x_test"]), torch.from_numpy(file["y_test"])

model = nn.Sequential(
    nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
)
for module in model:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=1.0)
        nn.init.zeros_(module.bias)

loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(5):
    for x, y in DataLoader(train, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = model(x_val)
    print(epoch, loss_fn(scores, y_val).item(), (scores.argmax(1) == y_val).float().mean().item())
