import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(202)
digits = load_digits()
perm = torch.randperm(1797)
x = torch.tensor(digits.data, dtype=torch.float32)[perm] / 16
y = torch.tensor(digits.target)[perm]
model = nn.Sequential(nn.Linear(64, 30), nn.Tanh(), nn.Linear(30, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(7):
    for start in range(0, 1400, 28):
        optimizer.zero_grad()
        loss = ce(model(x[start : start + 28]), y[start : start + 28])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        held = ce(model(x[1400:]), y[1400:])
    again = torch.randperm(1400)
    x[:1400], y[:1400] = x[again], y[again]
    print(epoch, loss.item(), held.item())
