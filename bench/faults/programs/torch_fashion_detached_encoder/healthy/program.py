import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(29)
saved = np.load("fashion.npz")
x_all = torch.as_tensor(saved["x_train"]).unsqueeze(1) / 127.5 - 1
y_all = torch.as_tensor(saved["y_train"])
x_test = torch.as_tensor(saved["x_test"]).unsqueeze(1) / 127.5 - 1
y_test = torch.as_tensor(saved["y_test"])


class TwoStage(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU()
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(8 * 36, 10))

    def forward(self, images):
        features = self.encoder(images)
        return self.classifier(features)


model = TwoStage()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(5):
    for images, labels in DataLoader(TensorDataset(x_all, y_all), 32, shuffle=True):
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        outputs = model(x_test)
        print(
            epoch,
            loss_fn(outputs, y_test).item(),
            (outputs.argmax(1) == y_test).float().mean().item(),
        )
