import torch.nn.functional as F
from torch import nn


class ResidualBlock(nn.Module):
    """Two layers around a skip connection."""

    def __init__(self, width, drop):
        super().__init__()
        self.drop = drop
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)

    def forward(self, x):
        h = F.gelu(self.inner(self.norm(x)))
        h = F.dropout(self.outer(h), self.drop, self.training)
        return F.dropout(x + h, self.drop, self.training)
