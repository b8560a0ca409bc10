import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import fashion
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(2)

N_TRAIN, N_VAL = 400, 1000
EPOCHS = 30

(images, labels), (test_images, test_labels) = fashion(6000, 1000)
images = (torch.tensor(images).unsqueeze(1) / 255 - 0.286) / 0.353
test_images = (torch.tensor(test_images).unsqueeze(1) / 255 - 0.286) / 0.353
labels, test_labels = torch.tensor(labels), torch.tensor(test_labels)

full = TensorDataset(images, labels)
train_set, val_set, _ = random_split(full, [N_TRAIN, N_VAL, len(full) - N_TRAIN - N_VAL])
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(val_set, batch_size=200)

net = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 1024),
    nn.ReLU(),
    nn.Linear(1024, 1024),
    nn.ReLU(),
    nn.Linear(1024, 512),
    nn.ReLU(),
    nn.Linear(512, 10),
)
loss_function = nn.CrossEntropyLoss()
opt = optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(1, EPOCHS + 1):
    net.train()
    train_loss = 0.0
    for xb, yb in train_loader:
        opt.zero_grad()
        loss = loss_function(net(xb), yb)
        loss.backward()
        opt.step()
        train_loss += loss.item() / len(train_loader)

    net.eval()
    val_loss = 0.0
    with torch.no_grad():
        for xb, yb in val_loader:
            val_loss += loss_function(net(xb), yb).item() / len(val_loader)
    print(f"[{epoch:02d}] train {train_loss:.4f}  val {val_loss:.4f}")

with torch.no_grad():
    predicted = net(test_images).argmax(dim=1)
print("metric", round((predicted == test_labels).float().mean().item(), 4))
