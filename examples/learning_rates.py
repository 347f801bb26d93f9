"""The write-up's network, 1024-64-36 with sigmoid units, at three learning rates, on characters rendered from fonts."""

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train
from tinygrad_hw.data.rendered import rendered36

splits = rendered36()
(x, y), (xv, yv) = splits.train, splits.valid
loss = nn.CrossEntropyLoss(reduction="sum")  # its gradient is what the write-up's rates multiply

for lr in (2e-2, 2e-3, 2e-4):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(1024, 64), nn.Sigmoid(), nn.Linear(64, 36))
    for layer in (model[0], model[2]):
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimizer = tg.optim.SGD(model.parameters(), lr=lr)
    # Paper is 1 in this data; background should be 0, since every unit sees it everywhere.
    batches = data.DataLoader(data.TensorDataset(1 - x, y), 36, shuffle=True)
    valid = data.DataLoader(data.TensorDataset(1 - xv, yv), 1440)
    history = train.fit(model, optimizer, loss, batches, valid, epochs=12, progress="none")
    shown = ", ".join(f"{100 * a:.0f} %" for a in history["valid_accuracy"][::3])
    print(f"lr {lr:g}: accuracy on new fonts at epochs 1, 4, 7, 10: {shown}")
