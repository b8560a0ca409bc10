import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(41)
pixels, target = load_digits(return_X_y=True)
shuffled = torch.randperm(len(target))
pixels = torch.tensor(pixels / 8 - 1, dtype=torch.float32)[shuffled]
target = torch.tensor(target)[shuffled]
train = DataLoader(TensorDataset(pixels[:1400], target[:1400]), batch_size=20, shuffle=True)

model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
ce = torch.nn.CrossEntropyLoss()
for epoch in range(8):
    for x, y in train:
        optimizer.zero_grad()
        loss = ce(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
    with torch.no_grad():
        scores = model(pixels[1400:])
    print(
        f"epoch {epoch} rate {scheduler.get_last_lr()[0]:.2e} "
        f"validation {ce(scores, target[1400:]).item():.3f}"
    )
