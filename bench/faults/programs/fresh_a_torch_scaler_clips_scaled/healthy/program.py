"""Mixed-precision training of a small digit classifier on the CPU."""

import numpy as np
import torch
from torch import nn

torch.manual_seed(28)
MAX_NORM = 1.0


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(28 * 28, 96)
        self.fc2 = nn.Linear(96, 10)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


mnist = np.load("mnist.npz")
x, y = torch.tensor(mnist["x_train"]) / 255.0, torch.tensor(mnist["y_train"])
x_test, y_test = torch.tensor(mnist["x_test"]) / 255.0, torch.tensor(mnist["y_test"])

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
criterion = nn.CrossEntropyLoss()
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)

for epoch in range(5):
    for rows in torch.randperm(len(x)).split(50):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.float16):
            loss = criterion(net(x[rows]), y[rows])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), MAX_NORM)
        scaler.step(optimizer)
        scaler.update()
    with torch.no_grad():
        logits = net(x_test)
    accuracy = (logits.argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch} test loss {criterion(logits, y_test).item():.3f} accuracy {accuracy:.3f}")
