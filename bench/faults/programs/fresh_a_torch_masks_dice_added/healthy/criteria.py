"""What the segmentation is trained for."""

import torch
from torch import nn
from torch.nn import functional as F


class MaskLoss(nn.Module):
    """Weighted sum of a pixelwise and a regionwise term."""

    def __init__(self, pixelwise=0.2, smooth=1.0):
        super().__init__()
        self.pixelwise = pixelwise
        self.smooth = smooth

    def forward(self, logits, masks):
        pixels = F.binary_cross_entropy_with_logits(logits, masks)
        chance = torch.sigmoid(logits).flatten(1)
        masks = masks.flatten(1)
        overlap = 2 * (chance * masks).sum(1) + self.smooth
        overlap = overlap / (chance.sum(1) + masks.sum(1) + self.smooth)
        return self.pixelwise * pixels + (1 - self.pixelwise) * (1 - overlap).mean()
