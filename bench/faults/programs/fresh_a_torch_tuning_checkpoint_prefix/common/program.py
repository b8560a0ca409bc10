import numpy as np
import torch
from backbone import pretrained
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(5)


class Classifier(nn.Module):
    def __init__(self, backbone, width, classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        return self.head(self.backbone(images.flatten(1)))


z = np.load("fashion.npz")
few = TensorDataset(torch.tensor(z["x_train"][2000:]) / 255.0, torch.tensor(z["y_train"][2000:]))
val_images, val_labels = torch.tensor(z["x_test"]) / 255.0, torch.tensor(z["y_test"])

backbone = pretrained("backbone.pt")
model = Classifier(backbone, 16, 10)
optimizer = torch.optim.Adam(model.head.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()
for epoch in range(12):
    for images, labels in DataLoader(few, batch_size=30, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(val_images)
    accuracy = (logits.argmax(1) == val_labels).float().mean().item()
    print(f"epoch {epoch}: val loss {criterion(logits, val_labels).item():.3f} acc {accuracy:.3f}")
