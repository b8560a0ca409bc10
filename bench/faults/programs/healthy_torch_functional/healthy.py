import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from data import mnist


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d(0.25)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, p=0.3, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


def main():
    torch.manual_seed(1)
    (images, labels), (test_images, test_labels) = mnist(6000, 1000)
    data = torch.from_numpy(images).unsqueeze(1).float().div_(255).sub_(0.1307).div_(0.3081)
    target = torch.from_numpy(labels)
    test_data = (torch.from_numpy(test_images).unsqueeze(1).float() / 255 - 0.1307) / 0.3081
    test_target = torch.from_numpy(test_labels)

    network = Net()
    optimizer = optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(1, 5):
        network.train()
        for batch_idx, idx in enumerate(torch.randperm(len(data)).split(64)):
            optimizer.zero_grad()
            output = network(data[idx])
            loss = F.nll_loss(output, target[idx])
            loss.backward()
            optimizer.step()
            if batch_idx % 40 == 0:
                print(f"Train epoch {epoch} [{batch_idx * 64}/{len(data)}] {loss.item():.4f}")
        network.eval()
        with torch.no_grad():
            output = network(test_data)
        test_loss = F.nll_loss(output, test_target).item()
        correct = output.argmax(1).eq(test_target).sum().item()
        print(f"Test: loss {test_loss:.4f}, {correct}/{len(test_data)}")
    print("metric", correct / len(test_data))


if __name__ == "__main__":
    main()
