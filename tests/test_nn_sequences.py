"""Attention, Transformers, recurrent networks and packed sequences: against plain loops, and against themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import tinygrad_hw as tg
import tinygrad_hw.nn.functional as F
from tinygrad_hw import nn
from tinygrad_hw.errors import ShapeError
from tinygrad_hw.nn.utils import rnn

RNG = np.random.default_rng(4)


def real(*shape: int) -> tg.Tensor:
    return tg.tensor(RNG.normal(size=shape))


def equal(a, b) -> None:
    a, b = (x.detach() if isinstance(x, tg.Tensor) else x for x in (a, b))
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)


def cell(kind: str, x, h, c, p: dict) -> tuple:
    """One place of a network, in NumPy."""
    gi = x @ p["weight_ih"].T + p["bias_ih"]
    gh = h @ p["weight_hh"].T + p["bias_hh"]
    if kind == "RNN":
        return np.tanh(gi + gh), c
    if kind == "GRU":
        (ir, iz, i_n), (hr, hz, hn) = (np.split(g, 3, -1) for g in (gi, gh))
        r, z = special.expit(ir + hr), special.expit(iz + hz)
        return (1 - z) * np.tanh(i_n + r * hn) + z * h, c
    i, f, g, o = np.split(gi + gh, 4, -1)
    c = special.expit(f) * c + special.expit(i) * np.tanh(g)
    return special.expit(o) * np.tanh(c), c


def network(kind: str, net, x: np.ndarray) -> np.ndarray:
    """The outputs (time, n, …) of all layers, in NumPy."""
    state = {name: p.detach().numpy() for name, p in net.named_parameters()}
    for layer in range(net.num_layers):
        outs = []
        for direction in ("", "_reverse")[: 1 + net.bidirectional]:
            suffix = f"_l{layer}{direction}"
            p = {n.removesuffix(suffix): v for n, v in state.items() if n.endswith(suffix)}
            h = c = np.zeros((x.shape[1], net.hidden_size))
            steps = []
            for place in x[::-1] if direction else x:
                h, c = cell(kind, place, h, c, p)
                steps.append(h)
            outs.append(np.stack(steps[::-1] if direction else steps))
        x = np.concatenate(outs, -1)
    return x


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_networks(kind: str) -> None:
    net = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, dtype=tg.float64)
    x = real(5, 2, 3)
    out, last = net(x)
    expected = network(kind, net, x.numpy())
    equal(out, expected)
    h = last[0] if kind == "LSTM" else last
    assert h.shape == (4, 2, 4)
    equal(h[2], expected[-1, :, :4])
    equal(h[3], expected[0, :, 4:])
    net.batch_first = True
    equal(net(x.transpose(0, 1))[0], expected.swapaxes(0, 1))
    equal(net(x[:, 0])[0], expected[:, 0])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_cell_is_one_place_of_a_network(kind: str) -> None:
    net = getattr(nn, kind)(3, 4, dtype=tg.float64)
    one = getattr(nn, f"{kind}Cell")(3, 4, dtype=tg.float64)
    one.load_state_dict({n.removesuffix("_l0"): p for n, p in net.state_dict().items()})
    x = real(3, 2, 3)
    state = None
    for place in x:
        state = one(place, state)
    h = state[0] if kind == "LSTM" else state
    equal(h, net(x)[0][-1])
    single = one(x[0, 1])
    equal(single[0] if kind == "LSTM" else single, net(x[:1, 1])[0][0])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("order", [[4, 2, 1], [1, 4, 2]])
def test_packed_sequences_are_each_by_itself(kind: str, order: list) -> None:
    net = getattr(nn, kind)(3, 4, bidirectional=True, dtype=tg.float64)
    sequences = [real(n, 3) for n in order]
    packed = rnn.pack_sequence(sequences, enforce_sorted=order[0] == 4)
    out, last = net(packed)
    h = last[0] if kind == "LSTM" else last
    for i, (sequence, mine) in enumerate(zip(sequences, rnn.unpack_sequence(out), strict=True)):
        alone, final = net(sequence)
        equal(mine, alone)
        equal(h[:, i], final[0] if kind == "LSTM" else final)
    padded, lengths = rnn.pad_packed_sequence(
        out, batch_first=True, padding_value=-1.0, total_length=6
    )
    assert padded.shape == (3, 6, 8)
    assert lengths.tolist() == order
    assert (padded[order.index(1), 1:].detach().numpy() == -1).all()
    for back, sequence in zip(
        rnn.unpad_sequence(padded, lengths, True), rnn.unpack_sequence(out), strict=True
    ):
        equal(back, sequence)


def test_padding_on_either_side() -> None:
    a, b = tg.tensor([1.0, 2.0]), tg.tensor([3.0])
    assert rnn.pad_sequence([a, b], True).tolist() == [[1, 2], [3, 0]]
    assert rnn.pad_sequence([a, b], True, 9.0, "left").tolist() == [[1, 2], [9, 3]]
    assert rnn.pad_sequence([a, b]).tolist() == [[1, 3], [2, 0]]
    packed = rnn.pack_sequence([a, b])
    assert packed.to(tg.float64).data.dtype == tg.float64
    assert rnn.invert_permutation(tg.tensor([2, 0, 1])).tolist() == [1, 2, 0]
    assert rnn.invert_permutation(None) is None


def test_projection_and_initial_states_of_lstm() -> None:
    net = nn.LSTM(3, 4, proj_size=2, dtype=tg.float64)
    out, (h, c) = net(real(5, 2, 3), (real(1, 2, 2), real(1, 2, 4)))
    assert (out.shape, h.shape, c.shape) == ((5, 2, 2), (1, 2, 2), (1, 2, 4))
    equal(out[-1], h[0])
    first, state = net(tg.zeros(2, 2, 3, dtype=tg.float64))
    second, _ = net(tg.zeros(1, 2, 3, dtype=tg.float64), state)
    whole, _ = net(tg.zeros(3, 2, 3, dtype=tg.float64))
    equal(tg.cat([first, second]), whole)


def test_dropout_between_layers_in_training_only() -> None:
    net = nn.GRU(3, 16, num_layers=2, dropout=0.5)
    x = tg.tensor(RNG.normal(size=(4, 2, 3)).astype(np.float32))
    assert not np.array_equal(net(x)[0].detach().numpy(), net(x)[0].detach().numpy())
    net.eval()
    net.flatten_parameters()
    equal(net(x)[0], net(x)[0])


def test_an_lstm_learns_to_remember() -> None:
    """The first of five numbers."""
    tg.manual_seed(2)
    x = tg.tensor(RNG.normal(size=(5, 32, 1)).astype(np.float32))
    net, head = nn.LSTM(1, 12), nn.Linear(12, 1)
    optimizer = tg.optim.Adam([*net.parameters(), *head.parameters()], lr=0.03)
    for _ in range(80):
        optimizer.zero_grad()
        loss = F.mse_loss(head(net(x)[0][-1]), x[0])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("separate", [False, True])
def test_multihead_attention_is_attention_of_each_head(separate: bool) -> None:
    sizes = {"kdim": 3, "vdim": 5} if separate else {}
    net = nn.MultiheadAttention(4, 2, batch_first=True, dtype=tg.float64, **sizes)
    q, k, v = real(2, 3, 4), real(2, 5, sizes.get("kdim", 4)), real(2, 5, sizes.get("vdim", 4))
    out, weights = net(q, k, v, average_attn_weights=False)
    assert weights.shape == (2, 2, 3, 5)
    p = {n: t.detach().numpy() for n, t in net.named_parameters()}
    maps = [p[f"{n}_proj_weight"] for n in "qkv"] if separate else np.split(p["in_proj_weight"], 3)
    a, b, c = (x.numpy() @ w.T for x, w in zip((q, k, v), maps, strict=True))
    heads = []
    for h in range(2):
        part = slice(2 * h, 2 * h + 2)
        w = special.softmax(a[..., part] @ b[..., part].swapaxes(1, 2) / np.sqrt(2), -1)
        equal(weights[:, h], w)
        heads.append(w @ c[..., part])
    equal(out, np.concatenate(heads, -1) @ p["out_proj.weight"].T + p["out_proj.bias"])
    equal(net(q, k, v)[1], weights.mean(1))
    equal(net(q, k, v, need_weights=False)[0], out)
    equal(net(q[0], k[0], v[0])[0], out[0])


def test_masks_hide() -> None:
    net = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, dtype=tg.float64)
    x = real(3, 2, 4)
    padding = tg.tensor([[False, False, True], [False, True, True]])
    out, weights = net(x, x, x, key_padding_mask=padding)
    assert weights.shape == (2, 3, 5)
    assert (weights.detach().numpy()[1, :, 1:3] == 0).all()
    changed = x.numpy().copy()
    changed[2] += 1
    other, _ = net(x, tg.tensor(changed), tg.tensor(changed), key_padding_mask=padding)
    equal(other, out)
    causal = nn.Transformer.generate_square_subsequent_mask(3, dtype=tg.float64)
    _, weights = net(x, x, x, attn_mask=causal, is_causal=True)
    assert (np.triu(weights.detach().numpy()[:, :, :3], 1) == 0).all()


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_decodes_causally(norm_first: bool) -> None:
    """What comes later in tgt does not change what comes before."""
    tg.manual_seed(0)
    net = nn.Transformer(
        4, 2, 1, 2, 8, 0.0, batch_first=True, norm_first=norm_first, dtype=tg.float64
    )
    src, tgt = real(2, 3, 4), real(2, 5, 4)
    mask = net.generate_square_subsequent_mask(5, dtype=tg.float64)
    out = net(src, tgt, tgt_mask=mask)
    equal(net(src, tgt[:, :3], tgt_mask=mask[:3, :3]), out[:, :3])
    padding = tg.tensor([[False, False, True]] * 2)
    half = net.encoder(src, src_key_padding_mask=padding)[:, :2]
    equal(half, net.encoder(src[:, :2]))
    assert len(list(net.parameters())) == len(set(map(id, net.parameters())))


def test_encoder_layer_follows_its_formula() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", dtype=tg.float64)
    x = real(3, 2, 4)
    y = layer.norm1(x + layer.self_attn(x, x, x)[0])
    equal(layer(x), layer.norm2(y + layer.linear2(F.gelu(layer.linear1(y)))))


def test_ctc_module_and_impossible_targets() -> None:
    x = F.log_softmax(real(3, 2, 4).requires_grad_(), 2)
    targets, times, lengths = tg.tensor([[1, 1], [2, 3]]), (2, 3), (2, 2)
    losses = nn.CTCLoss(reduction="none")(x, targets, times, lengths)
    assert np.isinf(losses.detach().numpy()).tolist() == [True, False]
    zeros = nn.CTCLoss(reduction="none", zero_infinity=True)(x, targets, times, lengths)
    assert zeros[0].item() == 0
    joined = nn.CTCLoss(reduction="none", zero_infinity=True)(
        x, tg.tensor([1, 1, 2, 3]), times, lengths
    )
    equal(joined, zeros)


RNN, TRANSFORMER = nn.RNN(3, 4), nn.Transformer(4, 2, 1, 1, 4)
WRONG = [
    (lambda: nn.RNN(3, 0), ValueError, "RNN: expected hidden_size and num_layers >= 1, got 0 and 1"),
    (lambda: nn.LSTM(3, 4, dropout=2.0), ValueError, "LSTM: expected a probability as dropout, got 2.0"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "LSTM: expected proj_size below hidden_size, got 4"),
    (lambda: nn.RNN(3, 4, nonlinearity="exp"), ValueError, "RNN: expected nonlinearity 'tanh' or 'relu', got 'exp'"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="exp"), ValueError, "RNNCell: expected nonlinearity"),
    (lambda: RNN(tg.ones(3)), ShapeError, "RNN: expected input of 2 or 3 dimensions, got (3,)"),
    (lambda: RNN(tg.ones(2, 2, 4)), ShapeError, "RNN: expected input of width 3, got 4"),
    (lambda: RNN(tg.ones(2, 2, 3), tg.ones(1, 2, 3)), ShapeError, "RNN: expected a state of shape (1, 2, 4), got (1, 2, 3)"),
    (lambda: nn.GRUCell(3, 4)(tg.ones(2, 4)), ShapeError, "GRUCell: expected input (n, 3) or (3,), got (2, 4)"),
    (lambda: nn.GRUCell(3, 4)(tg.ones(2, 3), tg.ones(4)), ShapeError, "GRUCell: expected a state of shape (2, 4), got (4,)"),
    (lambda: rnn.pack_sequence([tg.ones(1), tg.ones(2)]), RuntimeError, "expected lengths in decreasing order, got [1, 2]"),
    (lambda: rnn.pack_padded_sequence(tg.ones(2, 3), [2, 2]), ValueError, "expected 3 lengths, got [2, 2]"),
    (lambda: rnn.pack_padded_sequence(tg.ones(2, 2), [3, 2]), RuntimeError, "expected lengths from 1 to 2, got [3, 2]"),
    (lambda: rnn.pad_packed_sequence(rnn.pack_sequence([tg.ones(2)]), total_length=1), ValueError, "total_length of"),
    (lambda: rnn.pad_sequence([tg.ones(2)], padding_side="top"), RuntimeError, "expected padding_side 'left' or"),
    (lambda: nn.MultiheadAttention(4, 3), ValueError, "expected embed_dim divisible by num_heads, got 4 and 3"),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), RuntimeError, "expected activation 'relu' or"),
    (lambda: TRANSFORMER(tg.ones(2, 2, 4), tg.ones(2, 3, 4)), RuntimeError, "expected equal batches"),
    (lambda: TRANSFORMER(tg.ones(2, 2, 4), tg.ones(2, 2, 3)), RuntimeError, "expected a width of 4"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), WRONG, ids=lambda v: str(v)[:30])
def test_errors(make, error: type, text: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert text in str(raised.value)
