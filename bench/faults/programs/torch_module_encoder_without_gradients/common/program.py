import numpy as np
import torch
from coding import Decoder, Encoder
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(214)


class Autoencoder(nn.Module):
    def __init__(self, size=12):
        super().__init__()
        self.encoder, self.decoder = Encoder(size), Decoder(size)

    def forward(self, images):
        return self.decoder(self.encoder(images))


z = np.load("mnist.npz")
x = torch.tensor(z["x_train"]).flatten(1) / 255.0
u = torch.tensor(z["x_test"]).flatten(1) / 255.0
auto = Autoencoder()
optimizer = torch.optim.Adam(auto.parameters(), lr=2e-3)
bce = nn.BCELoss()
for epoch in range(6):
    auto.train()
    for images in DataLoader(x, batch_size=30, shuffle=True):
        optimizer.zero_grad()
        loss = bce(auto(images), images)
        loss.backward()
        optimizer.step()
    auto.eval()
    with torch.no_grad():
        print(epoch, loss.item(), bce(auto(u), u).item())
