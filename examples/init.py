"""What a network of zeros, of equal weights, and of Kaiming's learns in ten epochs."""

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train

splits = data.digits()
starts = {
    "zero": nn.init.zeros_,
    "all 0.05": lambda w: nn.init.constant_(w, 0.05),
    "Xavier": nn.init.xavier_normal_,
    "Kaiming": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
}
for name, fill in starts.items():
    tg.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
    )
    for layer in model:
        if isinstance(layer, nn.Linear):
            fill(layer.weight)
            nn.init.zeros_(layer.bias)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    batches = data.DataLoader(data.TensorDataset(*splits.train), 32, shuffle=True)
    train.fit(model, optimizer, nn.CrossEntropyLoss(), batches, epochs=10, progress="none")
    x, y = splits.test
    accuracy = (train.predict(model, x).numpy().argmax(1) == y).mean()
    units = len(np.unique(model[0].weight.detach().numpy().round(6), axis=0))
    print(f"{name:9} accuracy {accuracy:.3f}, {units} different units of 32")
