"""How many epochs each optimizer needs to bring the training loss on digits below 0.1."""

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train

x, y = data.digits().train
for name, make in {
    "SGD": lambda p: tg.optim.SGD(p, lr=0.1),
    "SGD, Nesterov": lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: tg.optim.RMSprop(p, lr=0.003),
    "Adam": lambda p: tg.optim.Adam(p, lr=0.003),
    "AdamW": lambda p: tg.optim.AdamW(p, lr=0.003),
    "Adagrad": lambda p: tg.optim.Adagrad(p, lr=0.05),
}.items():
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    batches = data.DataLoader(data.TensorDataset(x, y), 32, shuffle=True)
    history = train.fit(
        model, make(model.parameters()), nn.CrossEntropyLoss(), batches, epochs=25, progress="none"
    )
    below = [i for i, loss in enumerate(history["train_loss"], 1) if loss < 0.1]
    print(
        f"{name:14} epoch {below[0] if below else 'none'}; last loss {history['train_loss'][-1]:.4f}"
    )
