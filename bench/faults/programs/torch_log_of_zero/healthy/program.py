import numpy as np
import torch
from torch import nn

torch.manual_seed(74)
z = np.load("mnist.npz")
x, u = (torch.tensor(z[k]).flatten(1).float() / 255 for k in ("x_train", "x_test"))
y, v = torch.tensor(z["y_train"]), torch.tensor(z["y_test"])


def surprise(scores, labels):
    """Mean negative log-likelihood, with all classes counted for and against."""
    truth = nn.functional.one_hot(labels, 10).float()
    return (
        nn.functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
        .sum(1)
        .mean()
    )


net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(5):
    for rows in torch.randperm(len(y)).split(32):
        optimizer.zero_grad()
        loss = surprise(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = net(u)
        print(
            epoch, loss.item(), surprise(out, v).item(), (out.argmax(1) == v).float().mean().item()
        )
