"""Which characters a small network mixes, and how: the confusion matrix of rendered ones, its largest entries."""

import sys

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import data, metrics, nn, plot, train
from tinygrad_hw.data.rendered import rendered36

splits = rendered36()
(x, y), (xt, yt) = splits.train, splits.test
tg.manual_seed(0)
model = nn.Sequential(nn.Linear(1024, 64), nn.Sigmoid(), nn.Linear(64, 36))
optimizer = tg.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
batches = data.DataLoader(data.TensorDataset(1 - x, y), 36, shuffle=True)
train.fit(model, optimizer, nn.CrossEntropyLoss(), batches, epochs=10, progress="none")

predicted = train.predict(model, 1 - xt).numpy().argmax(1)
matrix = metrics.confusion_matrix(predicted, yt, 36)
print(f"accuracy on new fonts: {np.trace(matrix) / matrix.sum():.3f}")
both = matrix + matrix.T
pairs = sorted(((both[i, j], i, j) for i in range(36) for j in range(i)), reverse=True)
for count, i, j in pairs[:5]:
    a, b = splits.classes[j], splits.classes[i]
    print(f"{a} and {b} mixed: {count} of {matrix[i].sum() + matrix[j].sum()}")

if len(sys.argv) > 1:
    plot.confusion(matrix, splits.classes).figure.savefig(sys.argv[1])
