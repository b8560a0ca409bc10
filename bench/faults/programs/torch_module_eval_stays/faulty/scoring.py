import torch


def score(model, loader, loss_fn):
    """Mean loss and accuracy over a loader."""
    model.eval()
    losses, hits = [], []
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            losses.append(loss_fn(out, y))
            hits.append((out.argmax(1) == y).float().mean())
    return torch.stack(losses).mean().item(), torch.stack(hits).mean().item()
