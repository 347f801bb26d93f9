"""A convolutional network on letters and digits rendered from fonts; its test fonts are none that it learned from."""

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import nn, train
from tinygrad_hw.data.augment import Distortion
from tinygrad_hw.data.rendered import rendered36

splits = rendered36()
(x, y), test = (
    (np.ascontiguousarray(1 - splits.upright(p[0])), p[1]) for p in (splits.train, splits.test)
)
tg.manual_seed(0)


def stage(n, m):
    return [
        nn.Conv2d(n, m, 3, padding=1, bias=False),
        nn.BatchNorm2d(m),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


model = nn.Sequential(*stage(1, 8), *stage(8, 16), *stage(16, 32), nn.Flatten(), nn.Linear(512, 36))
optimizer = tg.optim.AdamW(model.parameters(), lr=3e-3)
distort = Distortion()


@tg.compile
def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


for epoch in range(4):
    model.train()
    order = np.random.default_rng(epoch).permutation(len(y))
    images = distort(x)[:, None]
    losses = [
        step(tg.from_numpy(images[rows]), tg.from_numpy(y[rows])).item()
        for rows in order[: len(order) // 48 * 48].reshape(-1, 48)
    ]
    output = train.predict(model, test[0][:, None]).numpy()
    accuracy = (output.argmax(1) == test[1]).mean()
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, accuracy on new fonts {accuracy:.3f}")
