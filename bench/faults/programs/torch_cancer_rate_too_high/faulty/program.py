import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn

RATE = 30.0

torch.manual_seed(1)
data = load_breast_cancer()
x = torch.tensor(data.data, dtype=torch.float32)
y = torch.tensor(data.target, dtype=torch.float32).reshape(-1, 1)
fit, held = train_test_split(torch.arange(len(y)), test_size=0.3, random_state=1)
x = (x - x[fit].mean(0)) / x[fit].std(0)

network = nn.Sequential(
    nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 1)
)
bce = nn.BCEWithLogitsLoss()
sgd = torch.optim.SGD(network.parameters(), lr=RATE)
for epoch in range(10):
    for rows in fit[torch.randperm(len(fit))].split(20):
        sgd.zero_grad()
        bce(network(x[rows]), y[rows]).backward()
        sgd.step()
    with torch.no_grad():
        print(epoch, *(round(bce(network(x[p]), y[p]).item(), 4) for p in (fit, held)))
