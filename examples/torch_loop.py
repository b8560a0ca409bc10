"""A PyTorch loop with a bug: the rate of Adam is far too high.

python examples/torch_loop.py            watched by three lines
trema run examples/torch_loop.py         watched without them, too
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trema

torch.manual_seed(0)
y = torch.arange(1024) % 2
x = torch.randn(1024, 16) + 0.5 * y[:, None]
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3.0)
loss_fn = nn.CrossEntropyLoss()

run = trema.watch(model, optimizer)
for _ in range(3):
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
run.finish()
