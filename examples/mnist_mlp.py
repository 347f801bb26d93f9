"""A network with two hidden layers on MNIST (TINYGRAD_HW_DATA, or downloaded), or with --digits on packaged ones."""

import sys

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train

splits = data.digits() if "--digits" in sys.argv else data.mnist()
x, y = splits.train
batch = 100 if len(y) > 10000 else 20
tg.manual_seed(0)
model = nn.Sequential(
    nn.Linear(x.shape[1], 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 10)
)
epochs = 10
batches = data.DataLoader(data.TensorDataset(x, y), batch, shuffle=True)
test = data.DataLoader(data.TensorDataset(*splits.test), 1000)
optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
schedule = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
history = train.fit(
    model,
    optimizer,
    nn.CrossEntropyLoss(),
    batches,
    test,
    epochs,
    scheduler=schedule,
    schedule_every="batch",
)
print(f"{splits.source}: test loss {history['valid_loss'][-1]:.4f}, ", end="")
print(f"accuracy {history['valid_accuracy'][-1]:.4f}")
