"""Encoder and decoder of images."""

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.wide = nn.Linear(784, 96)
        self.code = nn.Linear(96, size)

    @torch.no_grad()
    def forward(self, images):
        return self.code(torch.relu(self.wide(images)))


class Decoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.wide = nn.Linear(size, 96)
        self.image = nn.Linear(96, 784)

    def forward(self, code):
        return torch.sigmoid(self.image(torch.relu(self.wide(code))))
