"""Three linear layers, trained, are one linear layer: its matrix is their product."""

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train

splits = data.digits()
tg.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10))
optimizer = tg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
batches = data.DataLoader(data.TensorDataset(*splits.train), 32, shuffle=True)
train.fit(model, optimizer, nn.CrossEntropyLoss(), batches, epochs=10, progress="none")

weight, bias = np.eye(64), np.zeros(64)
for layer in model:
    w, b = (p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.bias))
    weight, bias = w @ weight, w @ bias + b

x, y = splits.test
deep = train.predict(model, x).numpy()
flat = x @ weight.T + bias
print("largest difference:", np.abs(deep - flat).max())
print(
    "accuracy of three layers",
    (deep.argmax(1) == y).mean(),
    "of the one",
    (flat.argmax(1) == y).mean(),
)
print("rank of the one:", np.linalg.matrix_rank(weight))
