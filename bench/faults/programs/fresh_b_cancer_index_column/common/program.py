"""Tumours, malignant or not, from a handful of measurements in an exported frame."""

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(5)

frame = np.genfromtxt("tumours.csv", delimiter=",", skip_header=1, dtype=np.float32)
inputs, diagnosis = frame[:, :-1], frame[:, -1]
x_tr, x_va, y_tr, y_va = train_test_split(inputs, diagnosis, test_size=0.25, random_state=5)
scaler = StandardScaler().fit(x_tr)
x_tr, x_va = (torch.tensor(scaler.transform(a)) for a in (x_tr, x_va))
y_tr, y_va = torch.tensor(y_tr), torch.tensor(y_va)


class Classifier(torch.nn.Module):
    def __init__(self, width, hidden=24):
        super().__init__()
        self.fc1 = torch.nn.Linear(width, hidden)
        self.fc2 = torch.nn.Linear(hidden, 1)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x))).squeeze(1)


clf = Classifier(x_tr.shape[1])
optim = torch.optim.AdamW(clf.parameters(), lr=0.01)
bce = torch.nn.BCEWithLogitsLoss()
for epoch in range(15):
    clf.train()
    order = torch.randperm(len(x_tr))
    for idx in order.split(20):
        optim.zero_grad()
        bce(clf(x_tr[idx]), y_tr[idx]).backward()
        optim.step()
    clf.eval()
    with torch.no_grad():
        out = clf(x_va)
    accuracy = ((out > 0) == (y_va > 0.5)).float().mean()
    print(f"{epoch:02d} val loss {bce(out, y_va):.4f} val acc {accuracy:.3f}")
