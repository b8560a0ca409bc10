import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import mnist
from torch import nn

torch.manual_seed(3)
(train_images, _), (test_images, _) = mnist(5000, 1000)
train = torch.from_numpy(train_images).float().div(255).view(-1, 784)
test = torch.from_numpy(test_images).float().div(255).view(-1, 784)


class AutoEncoder(nn.Module):
    def __init__(self, code=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, code))
        self.decoder = nn.Sequential(
            nn.Linear(code, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid()
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


model = AutoEncoder()
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(6):
    model.train()
    running = 0.0
    for batch in torch.randperm(len(train)).split(100):
        x = train[batch]
        loss = criterion(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(x)
    model.eval()
    with torch.no_grad():
        held_out = criterion(model(test), test).item()
    print(f"{epoch}: {running / len(train):.4f} / {held_out:.4f}")

with torch.no_grad():
    print("metric", round(nn.functional.mse_loss(model(test), test).item(), 5))
