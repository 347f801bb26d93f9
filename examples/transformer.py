"""A small Transformer learns to sort eight digits."""

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import nn, train

length, width = 8, 32
tg.manual_seed(0)
rng = np.random.default_rng(0)


class Sorter(nn.Module):
    def __init__(self):
        super().__init__()
        self.digit = nn.Embedding(10, width)
        self.place = nn.Parameter(0.1 * tg.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 2, 4 * width, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.last = nn.Linear(width, 10)

    def forward(self, x):
        return self.last(self.encoder(self.digit(x) + self.place)).transpose(1, 2)


model = Sorter()
steps = 600
optimizer = tg.optim.Adam(model.parameters(), lr=3e-3)
schedule = tg.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1)


@tg.compile
def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


for i in range(steps + 1):
    x = rng.integers(0, 10, (64, length))
    loss = step(tg.tensor(x), tg.tensor(np.sort(x, axis=1)))
    schedule.step() if i < steps else None
    if i % 150 == 0:
        print(f"step {i:3}: loss {loss.item():.3f}")

x = rng.integers(0, 10, (1000, length))
right = train.predict(model, x).numpy().argmax(1) == np.sort(x, axis=1)
print(f"places right {right.mean():.3f}, whole sequences {right.all(axis=1).mean():.3f}")
shown = np.array([[3, 1, 4, 1, 5, 9, 2, 6]])
print(*shown[0], "sorted:", *train.predict(model, shown).numpy().argmax(1)[0])
