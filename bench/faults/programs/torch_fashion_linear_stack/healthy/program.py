import numpy as np
import torch
from torch import nn

torch.manual_seed(23)


class Perceptron(nn.Module):
    def __init__(self, sizes=(784, 128, 64, 10)):
        super().__init__()
        self.a = nn.Linear(sizes[0], sizes[1])
        self.b = nn.Linear(sizes[1], sizes[2])
        self.c = nn.Linear(sizes[2], sizes[3])
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        x = x.flatten(1)
        x = self.a(x).relu()
        x = self.drop(self.b(x).relu())
        return self.c(x)


with np.load("fashion.npz") as z:
    images, labels = torch.tensor(z["x_train"]) / 255, torch.tensor(z["y_train"])
    test_images, test_labels = torch.tensor(z["x_test"]) / 255, torch.tensor(z["y_test"])
net = Perceptron()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.NAdam(net.parameters(), lr=1e-3)
for epoch in range(5):
    net.train()
    for index in torch.randperm(len(labels)).split(60):
        optimizer.zero_grad()
        loss = criterion(net(images[index]), labels[index])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        out = net(test_images)
    print(
        epoch,
        criterion(out, test_labels).item(),
        (out.argmax(1) == test_labels).float().mean().item(),
    )
