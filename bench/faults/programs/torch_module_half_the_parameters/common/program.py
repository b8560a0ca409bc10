import numpy as np
import torch
from factory import optimizer_for
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(69)
with np.load("imdb.npz") as z:
    ids, signs = torch.tensor(z["x_train"]), torch.tensor(z["y_train"])
    ids_val, signs_val = torch.tensor(z["x_test"]), torch.tensor(z["y_test"])


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(2000, 32)
        self.reader = nn.GRU(32, 32, batch_first=True)
        self.verdict = nn.Linear(32, 2)

    def forward(self, text):
        states, _ = self.reader(self.words(text))
        return self.verdict(states.amax(1))


judge = Judge()
optimizer = optimizer_for(judge, "adam", lr=2e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(4):
    judge.train()
    for text, sign in DataLoader(TensorDataset(ids, signs), 30, shuffle=True):
        optimizer.zero_grad()
        loss = ce(judge(text), sign)
        loss.backward()
        nn.utils.clip_grad_norm_(judge.parameters(), 5.0)
        optimizer.step()
    judge.eval()
    with torch.no_grad():
        out = judge(ids_val)
    print(epoch, ce(out, signs_val).item(), (out.argmax(1) == signs_val).float().mean().item())
