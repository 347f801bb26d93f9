"""Pooling: the largest or the mean element of each window, and what goes back to the elements.

Arrays are contiguous: x (planes, depth, height, width), out and g likewise with the places of the windows. The
geometry is window, stride, padding and, for the largest, dilation: three numbers each. Padding belongs to no window.
"""

from __future__ import annotations

import numpy as np

from .jit import kernel


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
    best = (
        ((z * sd - pd + z0 * dd) * height + y * sh - ph + y0 * dh) * width + w * sw - pw + x0 * dw
    )
    top = -x.dtype.type(np.inf)
    if z0 >= z1 or y0 >= y1 or x0 >= x1:
        best = -1
    for i in range(z0, z1):
        for j in range(y0, y1):
            row = ((z * sd - pd + i * dd) * height + y * sh - ph + j * dh) * width + w * sw - pw
            for k in range(x0, x1):
                at = row + k * dw
                a, b = at // width, at - at // width * width
                value = x[plane, a // height, a - a // height * height, b]
                if value > top or value != value:
                    top = value
                    best = at
    return best


@kernel
def max_pool(out, x, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw, start, stop):
    """out = the largest element of each window, for planes start … stop − 1; NaN if there is one."""
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
                                    plane,
                                    z * sd - pd + i * dd,
                                    y * sh - ph + j * dh,
                                    w * sw - pw + k * dw,
                                ]
                                top = value if value > top or value != value else top
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


@kernel
def max_pool_vjp(out, g, x, kd, kh, kw, sd, sh, sw, pd, ph, pw, dd, dh, dw, start, stop):
    """out = g of the windows in which an element is the largest, added up."""
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


@kernel
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


@kernel
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
