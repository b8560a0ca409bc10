import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(37)
x, y = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(x / 16).float(), torch.tensor(y))
train, val = random_split(data, [1500, 297])


def tower(width, depth):
    layers = [nn.Linear(64, width)]
    for _ in range(depth):
        layers += [nn.Sigmoid(), nn.Linear(width, width)]
    return nn.Sequential(*layers, nn.Sigmoid(), nn.Linear(width, 10))


model = tower(48, 6)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    for images, labels in DataLoader(train, batch_size=25, shuffle=True):
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        images, labels = val[:]
        scores = model(images)
        print(
            epoch,
            loss_fn(scores, labels).item(),
            (scores.argmax(1) == labels).float().mean().item(),
        )
