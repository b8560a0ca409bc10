import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(21)
table = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
features = StandardScaler().fit_transform(table[:, :8])
prices = table[:, 8] / 1e5
prices = (prices - prices.mean()) / prices.std()
data = TensorDataset(
    torch.tensor(features, dtype=torch.float32),
    torch.tensor(prices, dtype=torch.float32),
)
train, val = random_split(data, [2000, 500])

regressor = nn.Sequential(
    nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)
)
error = nn.SmoothL1Loss()
adam = torch.optim.Adam(regressor.parameters(), lr=3e-3)

for epoch in range(10):
    regressor.train()
    for x, y in DataLoader(train, batch_size=50, shuffle=True):
        adam.zero_grad()
        loss = error(regressor(x), y)
        loss.backward()
        adam.step()
    regressor.eval()
    with torch.no_grad():
        held = [error(regressor(x), y).item() for x, y in DataLoader(val, batch_size=250)]
    print(f"{epoch}: {loss.item():.3f} {sum(held) / len(held):.3f}")
