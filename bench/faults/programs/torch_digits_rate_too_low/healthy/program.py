import torch
from sklearn import datasets, model_selection
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)
digits = datasets.load_digits()
split = model_selection.train_test_split(
    digits.images / 16, digits.target, test_size=300, random_state=6
)
a, b, c, d = (torch.as_tensor(part) for part in split)
a, b = a.float().unsqueeze(1), b.float().unsqueeze(1)
net = nn.Sequential(
    nn.Conv2d(1, 12, 3),
    nn.ReLU(),
    nn.Conv2d(12, 24, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(384, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(6):
    net.train()
    for x, y in DataLoader(TensorDataset(a, c), batch_size=30, shuffle=True):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(net(x), y)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        guess = net(b)
        print(
            "epoch", epoch, loss_fn(guess, d).item(), (guess.argmax(1) == d).float().mean().item()
        )
