"""Generic training with phases."""

import torch
from torch.nn.functional import cross_entropy


def run_phase(phase, model, loader, optimizer):
    model.train(phase == "train")
    seen = hits = 0
    total = 0.0
    for images, targets in loader:
        optimizer.zero_grad()
        with torch.set_grad_enabled(True):
            logits = model(images)
            loss = cross_entropy(logits, targets)
            loss.backward()
            optimizer.step()
        total += loss.item() * len(targets)
        hits += (logits.argmax(1) == targets).sum().item()
        seen += len(targets)
    return total / seen, hits / seen


def fit(model, loaders, optimizer, epochs):
    for epoch in range(1, epochs + 1):
        line = [f"[{epoch}/{epochs}]"]
        for phase, loader in loaders.items():
            loss, accuracy = run_phase(phase, model, loader, optimizer)
            line.append(f"{phase}: {loss:.3f} ({accuracy:.1%})")
        print(*line)
