import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import imdb
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class LSTMClassifier(nn.Module):
    def __init__(self, vocab_size, embed_dim=32, hidden=32):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim, padding_idx=0)
        self.lstm = nn.LSTM(embed_dim, hidden, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(hidden, 2)

    def forward(self, x):
        states, _ = self.lstm(self.embed(x))
        return self.out(self.drop(states.max(dim=1).values))


torch.manual_seed(8)
(x, y), (x_test, y_test) = imdb(4000, 1000, maxlen=60, vocab=3000)
full = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
train_set, val_set = random_split(full, [3400, 600])
loaders = {
    "train": DataLoader(train_set, batch_size=50, shuffle=True),
    "val": DataLoader(val_set, batch_size=200),
}
model = LSTMClassifier(3000)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(3):
    for phase, loader in loaders.items():
        model.train(phase == "train")
        total = 0.0
        for tokens, target in loader:
            with torch.set_grad_enabled(phase == "train"):
                loss = criterion(model(tokens), target)
            if phase == "train":
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            total += loss.item()
        print(epoch, phase, round(total / len(loader), 4))

model.eval()
with torch.no_grad():
    hits = model(torch.from_numpy(x_test)).argmax(1) == torch.from_numpy(y_test)
print("metric", round(hits.float().mean().item(), 4))
