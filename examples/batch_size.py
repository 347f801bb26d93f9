"""Larger batches take fewer steps an epoch: at the same learning rate they lag, with one in proportion they keep up."""

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train

x, y = data.digits().train
for rule in ("the same rate", "in proportion"):
    for batch in (16, 64, 256):
        lr = 0.02 * (batch / 16 if rule == "in proportion" else 1)
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = tg.optim.SGD(model.parameters(), lr=lr)
        batches = data.DataLoader(data.TensorDataset(x, y), batch, shuffle=True)
        history = train.fit(
            model, optimizer, nn.CrossEntropyLoss(), batches, epochs=10, progress="none"
        )
        last = history["train_loss"][-1]
        print(f"{rule}: batches of {batch:3}, lr {lr:.2f}, loss after 10 epochs {last:.3f}")
