import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

generator = torch.Generator().manual_seed(13)
torch.manual_seed(13)
bunch = load_digits()
dataset = TensorDataset(
    torch.from_numpy(bunch.images).float().unsqueeze(1) / 16, torch.from_numpy(bunch.target)
)
train, val = random_split(dataset, [1437, 360], generator=generator)

cnn = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(256, 10),
)
loss_fn = nn.CrossEntropyLoss()
sgd = optim.SGD(cnn.parameters(), lr=0.1, momentum=0.5)


def validate():
    cnn.eval()
    with torch.no_grad():
        x, y = next(iter(DataLoader(val, batch_size=360)))
        scores = cnn(x)
    cnn.train()
    return loss_fn(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


for epoch in range(8):
    for x, y in DataLoader(train, batch_size=48, shuffle=True):
        loss = loss_fn(cnn(x), y)
        loss.backward()
        sgd.step()
    print("epoch", epoch, *validate())
