"""Digits through 2, 8 and 32 numbers and back: what is lost; and one digit before and after."""

import tinygrad_hw as tg
from tinygrad_hw import data, nn, train

splits = data.digits()
x, test = splits.train[0], splits.test[0]
print(f"error of a pixel: always the mean image {((test - x.mean(0)) ** 2).mean():.4f}")

for code in (2, 8, 32):
    tg.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, code))
    decoder = nn.Sequential(nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())
    model = nn.Sequential(encoder, decoder)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.005)
    batches = data.DataLoader(data.TensorDataset(x, x), 32, shuffle=True)
    train.fit(model, optimizer, nn.MSELoss(), batches, epochs=30, progress="none")
    back = train.predict(model, test).numpy()
    print(f"{code:2} numbers: {((back - test) ** 2).mean():.4f}")


def drawn(image):
    return ["".join(" .:*#"[min(4, int(5 * v))] * 2 for v in row) for row in image.reshape(8, 8)]


for left, right in zip(drawn(test[0]), drawn(back[0]), strict=True):
    print(left, "|", right)
