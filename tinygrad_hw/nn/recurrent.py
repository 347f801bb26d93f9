"""Recurrent networks: a cell applied to one place of a sequence after the other.

The same walk serves padded batches and packed sequences: place t has ``sizes[t]`` samples, the longest first, and a
sample that has ended keeps its last state. Input projections of all places are one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..creation import zeros
from ..errors import ShapeError
from ..ops import add, mul, sigmoid, sub, tanh
from ..tensor import Tensor
from . import init
from .layers import _empty
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


# Cells: gates of the input (all bias included), state, weight and bias of the state → state


def _rnn(nonlinearity: str) -> Callable:
    f = {"tanh": tanh, "relu": ops.relu}[nonlinearity]

    def step(x: Tensor, state: tuple, weight: Tensor, bias: Tensor | None) -> tuple:
        return (f(add(x, ops.linear(state[0], weight, bias))),)

    return step


def _lstm(x: Tensor, state: tuple, weight: Tensor, bias: Tensor | None) -> tuple:
    """c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c').  Source: Hochreiter & Schmidhuber 1997; Gers et al. 2000."""
    h, c = state
    i, f, g, o = ops.chunk(add(x, ops.linear(h, weight, bias)), 4, -1)
    c = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
    return mul(sigmoid(o), tanh(c)), c


def _gru(x: Tensor, state: tuple, weight: Tensor, bias: Tensor | None) -> tuple:
    """h' = n + z (h − n), n = tanh(x_n + r (W h + b)_n), r and z sigmoids of their gates.  Source: Cho et al. 2014."""
    h = state[0]
    xr, xz, xn = ops.chunk(x, 3, -1)
    hr, hz, hn = ops.chunk(ops.linear(h, weight, bias), 3, -1)
    r, z = sigmoid(add(xr, hr)), sigmoid(add(xz, hz))
    n = tanh(add(xn, mul(r, hn)))
    return (add(n, mul(z, sub(h, n))),)


class _Recurrent(Module):
    """Parameters weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 …, all uniform in ±1/√hidden_size.

    ``_reverse`` follows in the names of those that walk from the end, where ``bidirectional``.
    """

    _gates: int
    _states = 1

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(
                f"{name}: expected hidden_size and num_layers >= 1, got {hidden_size} and {num_layers}"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: expected a probability as dropout, got {dropout}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: expected proj_size below hidden_size, got {proj_size}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        out = proj_size or hidden_size
        gates = self._gates * hidden_size
        for suffix, layer in self._walks():
            inside = input_size if layer == 0 else out * (1 + bidirectional)
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (gates, inside),
                "weight_hh": (gates, out),
            }
            if bias:
                shapes.update(bias_ih=(gates,), bias_hh=(gates,))
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for label, shape in shapes.items():
                setattr(self, f"{label}_{suffix}", _empty(shape, dtype, name))
        self.reset_parameters()

    def _walks(self) -> list[tuple[str, int]]:
        """The suffix of the parameters and the layer of each walk."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [(f"l{i}{d}", i) for i in range(self.num_layers) for d in directions]

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: here parameters need no common memory. Kept for programs that call it."""

    def _cell(self) -> Callable:
        raise NotImplementedError

    def forward(self, input: Any, hx: Any = None) -> tuple:
        """Outputs of the last layer at each place, and the last states."""
        if isinstance(input, PackedSequence):
            data, sizes, order, back = input
            sizes = [int(n) for n in np.asarray(sizes)]
            states = self._initial(hx, sizes[0], data.dtype, order)
            out, last = self._layers(data, sizes, states)
            if back is not None:
                last = [ops.index_select(s, 1, back) for s in last]
            return PackedSequence(out, input.batch_sizes, order, back), self._final(last)
        if input.ndim not in (2, 3):
            raise ShapeError(
                f"{type(self).__name__}: expected input of 2 or 3 dimensions, got {tuple(input.shape)}"
            )
        single = input.ndim == 2
        if single:
            input = ops.unsqueeze(input, 1)
            if hx is not None:
                hx = tuple(ops.unsqueeze(h, 1) for h in (hx if self._states == 2 else (hx,)))
                hx = hx if self._states == 2 else hx[0]
        elif self.batch_first:
            input = ops.transpose(input, 0, 1)
        time, n, width = input.shape
        if width != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: expected input of width {self.input_size}, got {width}"
            )
        states = self._initial(hx, n, input.dtype, None)
        out, last = self._layers(ops.reshape(input, (time * n, width)), [n] * time, states)
        out = ops.reshape(out, (time, n, out.shape[-1]))
        if single:
            return ops.reshape(out, (time, out.shape[-1])), self._final(
                [ops.reshape(s, (s.shape[0], s.shape[2])) for s in last]
            )
        return (ops.transpose(out, 0, 1) if self.batch_first else out), self._final(last)

    def _final(self, last: list) -> Any:
        return tuple(last) if self._states == 2 else last[0]

    def _initial(self, hx: Any, n: int, dtype: np.dtype, order: Any) -> list:
        """The first state of each walk: (walks, n, width) for each kind of state."""
        walks = self.num_layers * (1 + self.bidirectional)
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: self._states]
        if hx is None:
            return [zeros(walks, n, w, dtype=dtype) for w in widths]
        given = list(hx) if self._states == 2 else [hx]
        for h, w in zip(given, widths, strict=True):
            if tuple(h.shape) != (walks, n, w):
                raise ShapeError(
                    f"{type(self).__name__}: expected a state of shape {(walks, n, w)}, got {tuple(h.shape)}"
                )
        return given if order is None else [ops.index_select(h, 1, order) for h in given]

    def _layers(self, data: Tensor, sizes: list[int], states: list) -> tuple:
        """All layers over (places · samples, width): outputs in the same form, and last states."""
        finals: list[tuple] = []
        walks = self._walks()
        per_layer = 1 + self.bidirectional
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = ops.dropout(data, self.dropout, self.training)
            outs = []
            for d in range(per_layer):
                suffix = walks[layer * per_layer + d][0]
                state = tuple(ops.select(s, 0, layer * per_layer + d) for s in states)
                out, final = self._walk(data, sizes, state, suffix, backwards=bool(d))
                outs.append(out)
                finals.append(final)
            data = outs[0] if per_layer == 1 else ops.cat(outs, -1)
        return data, [ops.stack([f[k] for f in finals]) for k in range(self._states)]

    def _walk(
        self, data: Tensor, sizes: list[int], state: tuple, suffix: str, backwards: bool
    ) -> tuple[Tensor, tuple]:
        parameters = self.__dict__
        weight, bias = parameters[f"weight_hh_{suffix}"], parameters.get(f"bias_hh_{suffix}")
        shrink = parameters.get(f"weight_hr_{suffix}")
        gates = ops.linear(
            data, parameters[f"weight_ih_{suffix}"], parameters.get(f"bias_ih_{suffix}")
        )
        cell = self._cell()
        starts = np.cumsum([0, *sizes])
        outs: list[Any] = [None] * len(sizes)
        for t in reversed(range(len(sizes))) if backwards else range(len(sizes)):
            n = sizes[t]
            x = ops.narrow(gates, 0, int(starts[t]), n)
            whole = state[0].shape[0] == n
            now = state if whole else tuple(ops.narrow(s, 0, 0, n) for s in state)
            new = cell(x, now, weight, bias)
            if shrink is not None:
                new = (ops.linear(new[0], shrink), *new[1:])
            outs[t] = new[0]
            if not whole:
                rest = [ops.narrow(s, 0, n, s.shape[0] - n) for s in state]
                new = tuple(ops.cat([a, b]) for a, b in zip(new, rest, strict=True))
            state = new
        return ops.cat(outs), state

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.proj_size:
            parts.append(f"proj_size={self.proj_size}")
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if not self.bias:
            parts.append("bias=False")
        if self.batch_first:
            parts.append("batch_first=True")
        if self.dropout:
            parts.append(f"dropout={self.dropout}")
        if self.bidirectional:
            parts.append("bidirectional=True")
        return ", ".join(parts)


class RNN(_Recurrent):
    """h_t = tanh(W x_t + b + U h_{t−1} + c), or relu of it (Elman 1990).

    Shapes: input (time, n, input_size), with ``batch_first`` (n, time, …), (time, input_size) or a PackedSequence; hx
    (layers · directions, n, hidden_size). Returns the outputs (…, directions · hidden_size) and the last states.
    ``dropout`` acts between layers.
    """

    _gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype
        )
        self.nonlinearity = nonlinearity

    def _cell(self) -> Callable:
        return _rnn(self.nonlinearity)


class LSTM(_Recurrent):
    """Long short-term memory: states (h, c), gates i, f, g, o in this order; see ``_lstm`` and RNN.

    With ``proj_size`` h is multiplied by a matrix (proj_size, hidden_size) after each place (Sak et al. 2014).
    """

    _gates = 4
    _states = 2

    def _cell(self) -> Callable:
        return _lstm


class GRU(_Recurrent):
    """Gated recurrent unit: gates r, z, n in this order; see ``_gru`` and RNN."""

    _gates = 3

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype
        )

    def _cell(self) -> Callable:
        return _gru


class _Cell(Module):
    """One place: input (n, input_size) or (input_size,), state likewise; parameters as the networks'."""

    _gates: int
    _states = 1
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, dtype: np.dtype | None = None
    ) -> None:
        super().__init__()
        name, gates = type(self).__name__, self._gates * hidden_size
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.weight_ih = _empty((gates, input_size), dtype, name)
        self.weight_hh = _empty((gates, hidden_size), dtype, name)
        for label in "bias_ih", "bias_hh":
            self.register_parameter(label, _empty((gates,), dtype, name) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _step(self) -> Callable:
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: expected input (n, {self.input_size}) or ({self.input_size},), "
                f"got {tuple(input.shape)}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            state = (zeros(shape, dtype=input.dtype),) * self._states
        else:
            state = tuple(hx) if self._states == 2 else (hx,)
        for h in state:
            if tuple(h.shape) != shape:
                raise ShapeError(
                    f"{type(self).__name__}: expected a state of shape {shape}, got {tuple(h.shape)}"
                )
        gates = ops.linear(input, self.weight_ih, self.bias_ih)
        new = self._step()(gates, state, self.weight_hh, self.bias_hh)
        return new if self._states == 2 else new[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(W x + b + U h + c), or relu of it."""

    _gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"RNNCell: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}"
            )
        super().__init__(input_size, hidden_size, bias, dtype)
        self.nonlinearity = nonlinearity

    def _step(self) -> Callable:
        return _rnn(self.nonlinearity)


class LSTMCell(_Cell):
    """(h, c) ↦ (h', c') of an LSTM."""

    _gates = 4
    _states = 2

    def _step(self) -> Callable:
        return _lstm


class GRUCell(_Cell):
    """h ↦ h' of a GRU."""

    _gates = 3

    def _step(self) -> Callable:
        return _gru
