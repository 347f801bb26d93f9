"""Attention: averages of values, weighted by how well their keys match a query."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from .activation import dropout
from .core import composite
from .index import _take
from .pointwise import add, logical_not, mul, where
from .product import linear, matmul
from .reduce import _expand, all, any, mean, require_float, softmax
from .shape import _permute, _reshape, cat, chunk, pad, unsqueeze

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def _is_bool(mask) -> bool:
    return mask.dtype.kind == "b"


def _causal(rows: int, columns: int) -> np.ndarray:
    return np.tri(rows, columns, dtype=bool)


def _swap(x):
    n = len(x.shape)
    return _permute(x, (*range(n - 2), n - 1, n - 2))


@composite
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):  # fmt: skip
    """softmax(Q Kᵀ · scale + mask) V, scale = 1/√width unless given.

    Shapes: query (…, l, e), key (…, s, e), value (…, s, v) → (…, l, v). A bool mask (…, l, s) is True where a query
    may look, a float one is added; ``is_causal`` lets query i look at keys 0 … i. A query that may look nowhere gets 0.
    ``enable_gqa`` repeats the heads of keys and values to those of queries.
    Derivation: docs/derivations.md, Attention. Source: Vaswani et al. 2017, eq. 1.
    """
    name = "scaled_dot_product_attention"
    q, k, v = (tuple(x.shape) for x in (query, key, value))
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise ShapeError(
            f"{name}: expected (…, l, e), (…, s, e) and (…, s, v), got {q}, {k} and {v}"
        )
    require_float(name, query)
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: expected no attn_mask with is_causal=True")
    if enable_gqa:
        if len(q) < 3 or len(k) < 3 or len(v) < 3 or q[-3] % k[-3] or q[-3] % v[-3]:
            raise ShapeError(
                f"{name}: expected heads of keys that divide those of queries, got {q} and {k}"
            )
        key, value = (_repeat_heads(x, q[-3] // x.shape[-3]) for x in (key, value))
    scale = 1 / math.sqrt(q[-1]) if scale is None else float(scale)
    mask = _causal(q[-2], k[-2]) if is_causal else attn_mask
    scores = mul(matmul(query, _swap(key)), scale)
    if mask is None:
        weights = softmax(scores, -1)
    else:
        if _is_bool(mask):
            blind = logical_not(any(mask, -1, True))
            scores = where(mask, scores, -math.inf)
        else:
            blind = all(mask == -math.inf, -1, True)
            scores = add(scores, mask)
        # Softmax of a row of −∞ alone is NaN, and so would be its gradient.
        weights = where(blind, 0.0, softmax(where(blind, 0.0, scores), -1))
    return matmul(dropout(weights, dropout_p, True) if dropout_p else weights, value)


def _repeat_heads(x, times: int):
    heads = np.arange(x.shape[-3]).repeat(times)
    return x if times == 1 else _take(x, (..., heads, slice(None), slice(None)))


def _added(mask, dtype):
    """A mask as numbers to add: −∞ where a bool one is True."""
    if mask is None or not _is_bool(mask):
        return mask
    return where(mask, -math.inf, np.zeros((), dtype))


def _heads(x, heads: int):
    """(l, n, heads · e) → (n, heads, l, e)."""
    length, n, width = x.shape
    return _permute(_reshape(x, (length, n, heads, width // heads)), (1, 2, 0, 3))


@composite
def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v,
    add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None,
    need_weights=True, attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None,
    k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True,
    is_causal=False,
):  # fmt: skip
    """Attention in ``num_heads`` projections of queries, keys and values, joined and projected again.

    Shapes: query (l, n, e) or (l, e), key and value (s, n, …) → (l, n, e) and, with ``need_weights``, the weights
    (n, l, s), averaged over heads, or (n, heads, l, s). Masks are True, or −∞, where nobody may look:
    key_padding_mask (n, s), attn_mask (l, s) or (n · heads, l, s). Derivation: docs/derivations.md, Attention.
    Source: Vaswani et al. 2017, 3.2.2.
    """
    name = "multi_head_attention_forward"
    single = len(query.shape) == 2
    if len(query.shape) not in (2, 3) or len({len(x.shape) for x in (query, key, value)}) > 1:
        shapes = [tuple(x.shape) for x in (query, key, value)]
        raise ShapeError(
            f"{name}: expected query, key and value of 2 or 3 dimensions each, got {shapes}"
        )
    if single:
        query, key, value = (unsqueeze(x, 1) for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = unsqueeze(key_padding_mask, 0)
    length, n, width = query.shape
    if width != embed_dim_to_check or width % num_heads:
        raise ShapeError(
            f"{name}: expected a width of {embed_dim_to_check} that {num_heads} heads divide, got {width}"
        )
    if is_causal and attn_mask is None:
        raise ValueError(f"{name}: expected an attn_mask with the hint is_causal=True")
    if tuple(key.shape[:2]) != tuple(value.shape[:2]):
        raise ShapeError(
            f"{name}: expected equal lengths and batches of key and value, got {tuple(key.shape)} and {tuple(value.shape)}"
        )
    if use_separate_proj_weight:
        weights: Any = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        weights = chunk(in_proj_weight, 3)
    biases: Any = [None] * 3 if in_proj_bias is None else chunk(in_proj_bias, 3)
    q, k, v = (
        linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)
    )
    if bias_k is not None:
        k, v = (cat([x, _expand(b, (1, n, width))]) for x, b in ((k, bias_k), (v, bias_v)))
    q, k, v = (_heads(x, num_heads) for x in (q, k, v))
    shape = (n, num_heads, -1, width // num_heads)
    k = k if static_k is None else _reshape(static_k, shape)
    v = v if static_v is None else _reshape(static_v, shape)
    if add_zero_attn:
        k, v = (pad(x, (0, 0, 0, 1)) for x in (k, v))
    mask = _joint_mask(
        name, attn_mask, key_padding_mask, (n, num_heads, length, k.shape[2]), q.dtype
    )
    rate = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = matmul(mul(q, 1 / math.sqrt(q.shape[-1])), _swap(k))
        weights = softmax(scores if mask is None else add(scores, mask), -1)
        weights = dropout(weights, rate, True) if rate else weights
        out = matmul(weights, v)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, rate)
    out = _reshape(_permute(out, (2, 0, 1, 3)), (length, n, width))
    out = linear(out, out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = mean(weights, 1)
    if single:
        out = _reshape(out, (length, width))
        weights = None if weights is None else _reshape(weights, tuple(weights.shape[1:]))
    return out, weights


def _joint_mask(name: str, attn_mask, padding, shape: tuple, dtype):
    """Both masks as numbers to add to scores of ``shape``, with zeros for the keys that were appended."""
    n, heads, length, keys = shape
    parts = []
    if attn_mask is not None:
        m = tuple(attn_mask.shape)
        if len(m) == 2:
            attn_mask = _reshape(attn_mask, (1, 1, *m))
        elif len(m) == 3 and m[0] == n * heads:
            attn_mask = _reshape(attn_mask, (n, heads, *m[1:]))
        else:
            raise ShapeError(f"{name}: expected attn_mask (l, s) or (n · heads, l, s), got {m}")
        parts.append(attn_mask)
    if padding is not None:
        parts.append(_reshape(padding, (padding.shape[0], 1, 1, padding.shape[1])))
    total = None
    for part in parts:
        part = _added(part, dtype)
        part = pad(part, (0, keys - part.shape[-1])) if part.shape[-1] < keys else part
        total = part if total is None else add(total, part)
    if total is not None and (total.shape[-1] != keys or total.shape[-2] not in (1, length)):
        raise ShapeError(
            f"{name}: expected masks for {length} queries and {keys} keys, got {tuple(total.shape)}"
        )
    return total
