import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(61)
box = np.load("mnist.npz")
pictures = torch.from_numpy(box["x_train"]).float().unsqueeze(1).sub(33).div(78)
unseen = torch.from_numpy(box["x_test"]).float().unsqueeze(1).sub(33).div(78)
answers, unseen_answers = torch.from_numpy(box["y_train"]), torch.from_numpy(box["y_test"])

layers = [nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()]
reader = nn.Sequential(*layers, nn.Flatten(), nn.Linear(400, 10))
optimizer = torch.optim.RMSprop(reader.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(4):
    reader.train()
    for x, y in DataLoader(TensorDataset(pictures, answers), 40, shuffle=True):
        optimizer.zero_grad()
        loss_fn(reader(x), y).backward()
        optimizer.step()
    reader.eval()
    with torch.no_grad():
        guess = reader(unseen)
    print(epoch, loss_fn(guess, unseen_answers).item())
