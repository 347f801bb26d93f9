"""A GRU learns a text letter by letter (of a file given, or of this one) and writes more of it."""

import sys
from pathlib import Path

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import nn

text = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).read_text(encoding="utf-8")
letters = sorted(set(text))
codes = np.array([letters.index(c) for c in text])
time, batch = 32, 16
tg.manual_seed(0)


class Letters(nn.Module):
    def __init__(self, count, width):
        super().__init__()
        self.embedding = nn.Embedding(count, 32)
        self.gru = nn.GRU(32, width, batch_first=True)
        self.last = nn.Linear(width, count)

    def forward(self, x, state=None):
        output, state = self.gru(self.embedding(x), state)
        return self.last(output), state


model = Letters(len(letters), 64)
optimizer = tg.optim.Adam(model.parameters(), lr=1e-2)


@tg.compile
def step(x, y):
    optimizer.zero_grad()
    logits, _ = model(x)
    loss = nn.functional.cross_entropy(logits.transpose(1, 2), y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss


rng = np.random.default_rng(0)
for i in range(301):
    start = rng.integers(0, len(codes) - time, batch)
    pieces = codes[start[:, None] + np.arange(time + 1)]
    loss = step(tg.tensor(pieces[:, :-1]), tg.tensor(pieces[:, 1:]))
    if i % 100 == 0:
        print(f"step {i:3}: {loss.item() / np.log(2):.2f} bits a letter")

written, state = "def ", None
with tg.no_grad():
    for c in written:
        logits, state = model(tg.tensor([[letters.index(c)]]), state)
    for _ in range(100):
        p = tg.softmax(logits[0, -1] / 0.5, 0).numpy().astype(np.float64)
        letter = int(rng.choice(len(letters), p=p / p.sum()))
        written += letters[letter]
        logits, state = model(tg.tensor([[letter]]), state)
print(written)
