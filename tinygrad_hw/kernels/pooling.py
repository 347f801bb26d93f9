"""Pooling: the largest or the mean element of each window, and what goes back to the elements.

Arrays are contiguous: x (planes, depth, height, width), out and g likewise with the places of the windows. The
geometry is window, stride, padding and, for the largest, dilation: three numbers each. Padding belongs to no window.
"""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .pairs import largest_of_four, largest_of_four_vjp
from .simd import at, data, lanes
from .split import ranges


@kernel
def _first(place, stride, padding, dilation):
    """The first tap of a window that lies inside, given the window's place."""
    before = padding - place * stride
    return (before + dilation - 1) // dilation if before > 0 else 0


@kernel
def _last(place, stride, padding, dilation, window, size):
    """One more than the last tap of a window that lies inside."""
    inside = (size - 1 + padding - place * stride) // dilation + 1
    return max(0, min(window, inside))


@kernel
def _largest(x, plane, z, y, w, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw):
    """The position in its plane of a window's largest element: the first of equals, the last NaN; −1 if it has none."""
    height, width = x.shape[2], x.shape[3]
    z0, z1 = _first(z, sd, pd, dd), _last(z, sd, pd, dd, kd, x.shape[1])
    y0, y1 = _first(y, sh, ph, dh), _last(y, sh, ph, dh, kh, height)
    x0, x1 = _first(w, sw, pw, dw), _last(w, sw, pw, dw, kw, width)
    origin = at(data(x), plane * x.shape[1] * height * width)
    top = -x.dtype.type(np.inf)
    best = -1
    for i in range(z0, z1):
        for j in range(y0, y1):
            row = ((z * sd - pd + i * dd) * height + y * sh - ph + j * dh) * width + w * sw - pw
            for k in range(x0, x1):
                value = origin[row + k * dw]
                if value > top or value != value or best < 0:
                    top = value
                    best = row + k * dw
    return best


@kernel
def _beats(x, best):
    return x > best or x != x


@kernel
def _max_pool_pairs(out, x, plane):
    """``max_pool`` of a plane for windows of 2 × 2 side by side."""
    vector = lanes(data(x))
    width, columns = x.shape[3], out.shape[3]
    for row in range(out.shape[1] * out.shape[2]):
        z, y = row // out.shape[2], row % out.shape[2]
        target = at(data(out), (plane * out.shape[1] * out.shape[2] + row) * columns)
        top = at(data(x), ((plane * x.shape[1] + z) * x.shape[2] + 2 * y) * width)
        bottom = at(top, width)
        if columns >= vector:
            for j0 in range(0, columns, vector):
                j = min(j0, columns - vector)
                largest_of_four(at(target, j), at(top, 2 * j), at(bottom, 2 * j))
            continue
        for j in range(columns):
            best = top[2 * j]
            best = top[2 * j + 1] if _beats(top[2 * j + 1], best) else best
            best = bottom[2 * j] if _beats(bottom[2 * j], best) else best
            best = bottom[2 * j + 1] if _beats(bottom[2 * j + 1], best) else best
            target[j] = best


@kernel
def _max_pool_pairs_vjp(out, g, x, plane):
    """``max_pool_vjp`` of a plane for windows of 2 × 2 side by side."""
    vector = lanes(data(x))
    zero = out.dtype.type(0)
    width, columns = x.shape[3], g.shape[3]
    for z in range(x.shape[1]):
        for y in range(g.shape[2]):
            here = at(data(g), ((plane * g.shape[1] + z) * g.shape[2] + y) * columns)
            place = ((plane * x.shape[1] + z) * x.shape[2] + 2 * y) * width
            top, to_top = at(data(x), place), at(data(out), place)
            bottom, to_bottom = at(top, width), at(to_top, width)
            if columns >= vector:
                for j0 in range(0, columns, vector):
                    j = min(j0, columns - vector)
                    largest_of_four_vjp(
                        at(to_top, 2 * j), at(to_bottom, 2 * j), at(here, j), at(top, 2 * j), at(bottom, 2 * j)
                    )  # fmt: skip
            else:
                for j in range(columns):
                    best, won = top[2 * j], 0
                    if _beats(top[2 * j + 1], best):
                        best, won = top[2 * j + 1], 1
                    if _beats(bottom[2 * j], best):
                        best, won = bottom[2 * j], 2
                    if _beats(bottom[2 * j + 1], best):
                        won = 3
                    to_top[2 * j] = here[j] if won == 0 else zero
                    to_top[2 * j + 1] = here[j] if won == 1 else zero
                    to_bottom[2 * j] = here[j] if won == 2 else zero
                    to_bottom[2 * j + 1] = here[j] if won == 3 else zero
            for j in range(2 * columns, width):
                to_top[j] = zero
                to_bottom[j] = zero
        for y in range(2 * g.shape[2], x.shape[2]):
            for j in range(width):
                out[plane, z, y, j] = zero


@kernel
def _in_pairs(pooled, x, kd, kh, kw, sd, sh, sw, ph, pw):
    """Whether windows are 2 × 2, side by side and inside x."""
    return (
        kd == 1 and kh == 2 and kw == 2 and sd == 1 and sh == 2 and sw == 2 and ph == 0 and pw == 0
        and pooled.shape[1] == x.shape[1] and 2 * pooled.shape[2] <= x.shape[2]
        and 2 * pooled.shape[3] <= x.shape[3]
    )  # fmt: skip


@kernel(split=ranges)
def max_pool(out, x, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw, start, stop):
    """out = the largest element of each window, for planes start … stop − 1; NaN if there is one."""
    if _in_pairs(out, x, kd, kh, kw, sd, sh, sw, ph, pw) and dh == 1 and dw == 1:
        for plane in range(start, stop):
            _max_pool_pairs(out, x, plane)
        return
    low = -x.dtype.type(np.inf)
    for plane in range(start, stop):
        for z in range(out.shape[1]):
            z0, z1 = _first(z, sd, pd, dd), _last(z, sd, pd, dd, kd, x.shape[1])
            for y in range(out.shape[2]):
                y0, y1 = _first(y, sh, ph, dh), _last(y, sh, ph, dh, kh, x.shape[2])
                for w in range(out.shape[3]):
                    x0, x1 = _first(w, sw, pw, dw), _last(w, sw, pw, dw, kw, x.shape[3])
                    top = low
                    for i in range(z0, z1):
                        for j in range(y0, y1):
                            for k in range(x0, x1):
                                value = x[
                                    plane, z * sd - pd + i * dd, y * sh - ph + j * dh, w * sw - pw + k * dw
                                ]  # fmt: skip
                                top = value if _beats(value, top) else top
                    out[plane, z, y, w] = top


@kernel
def max_pool_index(out, x, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw):
    """out = the position in its plane of the element that ``max_pool`` takes."""
    for plane in range(x.shape[0]):
        for z in range(out.shape[1]):
            for y in range(out.shape[2]):
                for w in range(out.shape[3]):
                    out[plane, z, y, w] = _largest(
                        x, plane, z, y, w, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw
                    )


@kernel(split=ranges)
def max_pool_vjp(out, g, x, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw, start, stop):
    """out = g of the windows in which an element is the largest, added up."""
    if _in_pairs(g, x, kd, kh, kw, sd, sh, sw, ph, pw) and dh == 1 and dw == 1:
        for plane in range(start, stop):
            _max_pool_pairs_vjp(out, g, x, plane)
        return
    zero = out.dtype.type(0)
    for plane in range(start, stop):
        flat = out[plane].reshape(-1)
        for i in range(flat.size):
            flat[i] = zero
        for z in range(g.shape[1]):
            for y in range(g.shape[2]):
                for w in range(g.shape[3]):
                    best = _largest(
                        x, plane, z, y, w, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw
                    )
                    if best >= 0:  # dilation can leave a window in the padding alone
                        flat[best] += g[plane, z, y, w]


@kernel
def _share(z, y, w, kd, kh, kw, sd, sh, sw, pd, ph, pw, depth, height, width, padded, divisor):
    """What a window's sum is divided by: ``divisor``, or the elements of it (of the padding too if ``padded``)."""
    if divisor != 0:
        return divisor
    if padded:
        a = min(z * sd - pd + kd, depth + pd) - (z * sd - pd)
        b = min(y * sh - ph + kh, height + ph) - (y * sh - ph)
        c = min(w * sw - pw + kw, width + pw) - (w * sw - pw)
        return a * b * c
    a = _last(z, sd, pd, 1, kd, depth) - _first(z, sd, pd, 1)
    b = _last(y, sh, ph, 1, kh, height) - _first(y, sh, ph, 1)
    return a * b * (_last(w, sw, pw, 1, kw, width) - _first(w, sw, pw, 1))


@kernel(split=ranges)
def avg_pool(out, x, kd, kh, kw, sd, sh, sw, pd, ph, pw, padded, divisor, start, stop):
    """out = the mean of each window, for planes start … stop − 1."""
    one = x.dtype.type(1)
    depth, height, width = x.shape[1:]
    for plane in range(start, stop):
        for z in range(out.shape[1]):
            z0, z1 = _first(z, sd, pd, 1), _last(z, sd, pd, 1, kd, depth)
            for y in range(out.shape[2]):
                y0, y1 = _first(y, sh, ph, 1), _last(y, sh, ph, 1, kh, height)
                for w in range(out.shape[3]):
                    x0, x1 = _first(w, sw, pw, 1), _last(w, sw, pw, 1, kw, width)
                    total = x.dtype.type(0)
                    for i in range(z0, z1):
                        for j in range(y0, y1):
                            for k in range(x0, x1):
                                total += x[plane, z * sd - pd + i, y * sh - ph + j, w * sw - pw + k]
                    share = _share(
                        z,
                        y,
                        w,
                        kd,
                        kh,
                        kw,
                        sd,
                        sh,
                        sw,
                        pd,
                        ph,
                        pw,
                        depth,
                        height,
                        width,
                        padded,
                        divisor,
                    )
                    out[plane, z, y, w] = total * (one / x.dtype.type(share))


@kernel(split=ranges)
def avg_pool_vjp(out, g, kd, kh, kw, sd, sh, sw, pd, ph, pw, padded, divisor, start, stop):
    """out = the shares of g of the windows that an element is in, added up."""
    one = out.dtype.type(1)
    zero = out.dtype.type(0)
    depth, height, width = out.shape[1:]
    for plane in range(start, stop):
        flat = out[plane].reshape(-1)
        for i in range(flat.size):
            flat[i] = zero
        for z in range(g.shape[1]):
            z0, z1 = _first(z, sd, pd, 1), _last(z, sd, pd, 1, kd, depth)
            for y in range(g.shape[2]):
                y0, y1 = _first(y, sh, ph, 1), _last(y, sh, ph, 1, kh, height)
                for w in range(g.shape[3]):
                    x0, x1 = _first(w, sw, pw, 1), _last(w, sw, pw, 1, kw, width)
                    share = _share(
                        z,
                        y,
                        w,
                        kd,
                        kh,
                        kw,
                        sd,
                        sh,
                        sw,
                        pd,
                        ph,
                        pw,
                        depth,
                        height,
                        width,
                        padded,
                        divisor,
                    )
                    part = g[plane, z, y, w] * (one / out.dtype.type(share))
                    for i in range(z0, z1):
                        for j in range(y0, y1):
                            for k in range(x0, x1):
                                out[plane, z * sd - pd + i, y * sh - ph + j, w * sw - pw + k] += (
                                    part
                                )
