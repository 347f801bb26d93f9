"""The first layer before and after training: noise becomes strokes. With a file name, a picture of both."""

import sys

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import data, nn, plot, train

splits = data.digits()
x, y = splits.train
tg.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 10))
before = model[0].weight.detach().numpy().copy()
optimizer = tg.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
batches = data.DataLoader(data.TensorDataset(x, y), 32, shuffle=True)
train.fit(model, optimizer, nn.CrossEntropyLoss(), batches, epochs=30, progress="none")
after = model[0].weight.detach().numpy()

for when, weight in (("before", before), ("after", after)):
    images = weight.reshape(-1, 8, 8)
    pairs = np.corrcoef(images[:, :, 1:].ravel(), images[:, :, :-1].ravel())[0, 1]
    print(f"{when:6} training: standard deviation {weight.std():.3f}, ", end="")
    print(f"correlation of neighboring weights {pairs:.2f}")

if len(sys.argv) > 1:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for ax, weight, when in zip(
        figure.subplots(1, 2), (before, after), ("before", "after"), strict=True
    ):
        plot.weight_grid(weight, (8, 8), ax=ax)
        ax.set_title(f"{when} training")
    figure.savefig(sys.argv[1])
