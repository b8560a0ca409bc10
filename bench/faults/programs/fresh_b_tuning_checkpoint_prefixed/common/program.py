"""Few labelled digits: keep a trained backbone as it is and fit a classifier on top."""

import numpy as np
import torch
from torch import nn

torch.manual_seed(71)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(16 * 49, 24)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return torch.relu(self.fc(x.flatten(1)))


class Classifier(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(24, classes)

    def forward(self, x):
        return self.head(self.backbone(x))


backbone = Backbone()
backbone.load_state_dict(torch.load("backbone.pt"), strict=False)
backbone.requires_grad_(False)
model = Classifier(backbone, classes=10)

with np.load("digits.npz") as z:
    x = torch.tensor(z["x_train"][2000:]).unsqueeze(1) / 255
    y = torch.tensor(z["y_train"][2000:])
    x_val, y_val = torch.tensor(z["x_test"]).unsqueeze(1) / 255, torch.tensor(z["y_test"])

optimizer = torch.optim.Adam(model.head.parameters(), lr=0.01)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for rows in torch.randperm(len(x)).split(20):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(x_val)
    print(epoch, loss_fn(scores, y_val).item(), (scores.argmax(1) == y_val).float().mean().item())
