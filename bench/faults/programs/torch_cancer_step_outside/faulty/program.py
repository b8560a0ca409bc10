"""Is a tumour benign, by thirty measurements of its cells."""

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(2)
x, y = load_breast_cancer(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=2)
scale = StandardScaler().fit(x_train)
x_train = torch.tensor(scale.transform(x_train)).float()
x_val = torch.tensor(scale.transform(x_val)).float()
y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

mlp = torch.nn.Sequential(torch.nn.Linear(30, 24), torch.nn.ReLU(), torch.nn.Linear(24, 2))
optimizer = torch.optim.Adam(mlp.parameters(), lr=1e-3)
criterion = torch.nn.CrossEntropyLoss()

for epoch in range(12):
    for batch in torch.randperm(len(x_train)).split(16):
        optimizer.zero_grad()
        loss = criterion(mlp(x_train[batch]), y_train[batch])
        loss.backward()
    optimizer.step()
    with torch.no_grad():
        held = criterion(mlp(x_val), y_val)
    print(f"epoch {epoch} train {loss.item():.3f} validation {held.item():.3f}")
