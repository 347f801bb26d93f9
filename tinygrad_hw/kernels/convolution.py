"""Convolution in three dimensions (one and two are cases of it), and the gradients of its operands.

All three are products with a matrix whose elements stand in the image already: element (place, tap) of it is
image[place + tap] in an image with zeros around it. ``tap_tile`` reads it there, through one table of the places
and one of the taps. Vectors run along output channels; a tile's sums are transposed when they are written.

    output    out[o, p]   = Σ_t x[place p + tap t] weight[o, t]
    weight    w'[o, t]    = Σ_{n, p} x[place p + tap t] g[o, p]
    input     x'[c, i]    = Σ_t g[place i + tap t] weight[t, c], for each phase i mod stride with the taps it meets

Arrays are contiguous: x (n, channels, depth, height, width), weight (out, channels / groups, …), g as the output.
The geometry is stride, padding (before the first element) and dilation, three numbers each.
"""

from __future__ import annotations

import itertools

import numpy as np

from .gemm import SHARED_FROM, _copy_transposed
from .jit import kernel
from .simd import at, data, lanes, move, transpose, vector_bytes
from .split import ranges
from .taps import tap_height, tap_heights, tap_tile, tap_widest

#: Output places that are computed together: their sums stay in the first cache.
PLACES = 96
#: Taps of one block: a panel of the weight then stays in the first cache.
TAPS = 320


@kernel
def _panel(channels, first, vector, widest):
    """The vectors of the panel of channels that begins at ``first``."""
    left = (channels - first + vector - 1) // vector
    return widest if left >= widest else left


@kernel
def _padded_width(channels, vector):
    """Channels, up to a whole vector."""
    return (channels + vector - 1) // vector * vector


@kernel
def _embed(target, source, front, top, left):
    """target[c, i + front, j + top, k + left] = source[c, i, j, k]; what is around it stays."""
    vector = lanes(data(source))
    width = source.shape[3]
    for c in range(source.shape[0]):
        for i in range(source.shape[1]):
            for j in range(source.shape[2]):
                to = at(
                    data(target),
                    ((c * target.shape[1] + i + front) * target.shape[2] + j + top)
                    * target.shape[3]
                    + left,
                )
                origin = at(data(source), ((c * source.shape[1] + i) * source.shape[2] + j) * width)
                if width >= vector:
                    for k0 in range(0, width, vector):
                        k = min(k0, width - vector)
                        move(at(to, k), at(origin, k))
                else:
                    for k in range(width):
                        to[k] = origin[k]


@kernel
def _places(table, shape, strides):
    """table[i] = the offset of place i of ``shape``, given the offset from place to place in each dimension."""
    i = 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                table[i] = z * strides[0] + y * strides[1] + x * strides[2]
                i += 1


@kernel
def _multiply(a, rows, row, taps, step, b, c, vectors):
    """C = A B for one panel of B and all ``rows``, in tiles of nearly equal height and blocks of taps."""
    width = vectors * lanes(a)
    tallest = tap_height(a, vectors)
    tiles = (rows + tallest - 1) // tallest
    if tiles == 0:
        return
    short = rows // tiles
    taller = rows - short * tiles
    for first in range(0, max(taps, 1), TAPS):
        deep = min(TAPS, taps - first)
        done = 0
        for t in range(tiles):
            tall = short + 1 if t < taller else short
            tap_tile(a, at(row, done), at(step, first), at(b, first * width), at(c, done * width), deep,
                     first, tall, vectors)  # fmt: skip
            done += tall


@kernel
def _store(out, out_stride, c, width, places, channels, bias, biased, square):
    """out[j, i] = c[i, j] + bias[j] for contiguous places i."""
    vector = lanes(c)
    if biased:
        for j0 in range(0, channels, vector):
            for i in range(places):
                for j in range(j0, min(j0 + vector, width)):
                    c[i * width + j] += bias[j] if j < channels else 0
    for j0 in range(0, channels, vector):
        if places < vector:
            for j in range(j0, min(j0 + vector, channels)):
                for i in range(places):
                    out[j * out_stride + i] = c[i * width + j]
            continue
        for i0 in range(0, places, vector):
            i = min(i0, places - vector)
            if j0 + vector <= channels:
                transpose(at(out, j0 * out_stride + i), out_stride, at(c, i * width + j0), width)
            else:
                transpose(square, vector, at(c, i * width + j0), width)
                for j in range(j0, channels):
                    move(at(out, j * out_stride + i), at(square, (j - j0) * vector))


@kernel
def _pack_weight(packed, weight, transposed, group, inside, tap, taps, width):
    """packed[panel][tap, channel]: the weights of ``taps`` (positions in the window), by panels of channels.

    ``inside`` is how many channels of the other side a group has. Channels are the weight's first dimension, or its
    second where ``transposed``; the taps of a channel of the other side follow each other.
    """
    vector = lanes(data(packed))
    widest = tap_widest(data(packed))
    channels = weight.shape[1] if transposed else weight.shape[0] // width
    first = 0
    place = 0
    while first < channels:
        columns = _panel(channels, first, vector, widest) * vector
        for c in range(inside):
            for t in range(taps):
                for j in range(columns):
                    o = first + j
                    if o >= channels:
                        packed[place + j] = 0
                    elif transposed:
                        packed[place + j] = weight[group * inside + c, o, tap[t]]
                    else:
                        packed[place + j] = weight[group * channels + o, c, tap[t]]
                place += columns
        first += columns


@kernel
def _correlate(
    out, image, place, places, step, steps, packed, channels, sums, square, bias, biased
):
    """out[o, p] for contiguous places p and the channels o of one group."""
    vector = lanes(data(packed))
    widest = tap_widest(data(packed))
    for p in range(0, places, PLACES):
        count = min(PLACES, places - p)
        first = 0
        while first < channels:
            vectors = _panel(channels, first, vector, widest)
            width = vectors * vector
            b = at(data(packed), first * steps)
            _multiply(image, count, at(data(place), p), steps, data(step), b, sums, vectors)
            _store(at(out, first * places + p), places, sums, width, count, min(width, channels - first),
                   at(bias, first), biased, square)  # fmt: skip
            first += width


@kernel(split=ranges)
def convolve(
    out, x, weight, bias, sd, sh, sw, pd, ph, pw, dd, dh, dw, groups, biased, start, stop
):  # fmt: skip
    """out[n] = the convolution of x[n] for samples start … stop − 1, plus the bias if ``biased``."""
    kd, kh, kw = weight.shape[2:]
    od, oh, ow = out.shape[2:]
    vector = lanes(data(x))
    inside = weight.shape[1]
    channels = out.shape[1] // groups
    window = kd * kh * kw
    steps = inside * window
    places = od * oh * ow

    depth = max(x.shape[2] + pd, (od - 1) * sd + (kd - 1) * dd + 1)
    height = max(x.shape[3] + ph, (oh - 1) * sh + (kh - 1) * dh + 1)
    width = max(x.shape[4] + pw, (ow - 1) * sw + (kw - 1) * dw + 1)
    bare = depth == x.shape[2] and height == x.shape[3] and width == x.shape[4]
    plane = height * width
    volume = depth * plane
    image = np.zeros((1, 1, 1, 1) if bare else (x.shape[1], depth, height, width), x.dtype)

    place = np.empty(places, np.intp)
    _places(place, (od, oh, ow), (sd * plane, sh * width, sw))
    step = np.empty(steps, np.intp)
    for c in range(inside):
        _places(step[c * window :], (kd, kh, kw), (dd * plane, dh * width, dw))
        for t in range(window):
            step[c * window + t] += c * volume

    tap = np.arange(window)
    padded = _padded_width(channels, vector)
    packed = np.empty(groups * padded * steps, x.dtype)
    flat = weight.reshape(weight.shape[0], inside, window)
    for group in range(groups):
        _pack_weight(
            packed[group * padded * steps :], flat, False, group, inside, tap, window, groups
        )
    sums = np.empty(PLACES * tap_widest(data(x)) * vector, x.dtype)
    square = np.empty(vector * vector, x.dtype)
    for n in range(start, stop):
        if bare:
            origin = at(data(x), n * x.shape[1] * volume)
        else:
            _embed(image, x[n], pd, ph, pw)
            origin = data(image)
        for group in range(groups):
            _correlate(
                at(data(out), (n * out.shape[1] + group * channels) * places),
                at(origin, group * inside * volume), place, places, step, steps,
                packed[group * padded * steps :], channels, data(sums), data(square),
                at(data(bias), group * channels), biased,
            )  # fmt: skip


@kernel
def _quotient(a, b):
    """⌈a / b⌉ where that is positive, else 0."""
    return max(0, -(-a // b))


@kernel(split=ranges)
def convolve_input(
    out, g, weight, bias, sd, sh, sw, pd, ph, pw, dd, dh, dw, groups, biased, start, stop
):  # fmt: skip
    """out[n] = Σ over the places of g[n] that each input element went to; plus the bias if ``biased``.

    The gradient of the input, and the transposed convolution. Elements whose index leaves the same remainder r by the
    stride meet the same taps k, those with r + padding − k·dilation divisible by it: a convolution of stride 1.
    """
    kd, kh, kw = weight.shape[2:]
    vector = lanes(data(g))
    inside = g.shape[1] // groups
    channels = weight.shape[1]
    window = kd * kh * kw
    sizes = out.shape[2:]
    cells = sizes[0] * sizes[1] * sizes[2]

    front = _quotient((kd - 1) * dd - pd, sd)
    top = _quotient((kh - 1) * dh - ph, sh)
    left = _quotient((kw - 1) * dw - pw, sw)
    depth = front + max(g.shape[2], (sizes[0] - 1) // sd + (sd - 1 + pd) // sd + 1)
    height = top + max(g.shape[3], (sizes[1] - 1) // sh + (sh - 1 + ph) // sh + 1)
    width = left + max(g.shape[4], (sizes[2] - 1) // sw + (sw - 1 + pw) // sw + 1)
    bare = depth == g.shape[2] and height == g.shape[3] and width == g.shape[4]
    plane = height * width
    volume = depth * plane
    image = np.zeros((1, 1, 1, 1) if bare else (g.shape[1], depth, height, width), g.dtype)

    padded = _padded_width(channels, vector)
    packed = np.empty(groups * padded * inside * window, g.dtype)
    flat = weight.reshape(weight.shape[0], channels, window)
    tap = np.empty(window, np.intp)
    meets = np.empty(window, np.intp)
    step = np.empty(inside * window, np.intp)
    place = np.empty(cells, np.intp)
    phases = sd * sh * sw
    # With a stride, a phase's elements are not neighbors: they are gathered here before they are written.
    phase = np.empty(1 if phases == 1 else channels * cells, g.dtype)
    sums = np.empty(PLACES * tap_widest(data(g)) * vector, g.dtype)
    square = np.empty(vector * vector, g.dtype)

    for rd in range(min(sd, sizes[0])):
        for rh in range(min(sh, sizes[1])):
            for rw in range(min(sw, sizes[2])):
                taps = 0
                for z in range(kd):
                    for y in range(kh):
                        for x in range(kw):
                            qd, qh, qw = rd + pd - z * dd, rh + ph - y * dh, rw + pw - x * dw
                            if qd % sd == 0 and qh % sh == 0 and qw % sw == 0:
                                tap[taps] = (z * kh + y) * kw + x
                                meets[taps] = (
                                    (qd // sd + front) * plane
                                    + (qh // sh + top) * width
                                    + qw // sw
                                    + left
                                )
                                taps += 1
                steps = inside * taps
                for c in range(inside):
                    for t in range(taps):
                        step[c * taps + t] = c * volume + meets[t]
                for group in range(groups):
                    _pack_weight(
                        packed[group * padded * steps :],
                        flat,
                        True,
                        group,
                        inside,
                        tap,
                        taps,
                        groups,
                    )
                td = (sizes[0] - rd + sd - 1) // sd
                th = (sizes[1] - rh + sh - 1) // sh
                tw = (sizes[2] - rw + sw - 1) // sw
                places = td * th * tw
                _places(place, (td, th, tw), (plane, width, 1))
                for n in range(start, stop):
                    if bare:
                        origin = at(data(g), n * g.shape[1] * volume)
                    else:
                        _embed(image, g[n], front, top, left)
                        origin = data(image)
                    for group in range(groups):
                        target = data(phase)
                        if phases == 1:
                            target = at(data(out), (n * out.shape[1] + group * channels) * cells)
                        _correlate(
                            target, at(origin, group * inside * volume), place, places, step, steps,
                            packed[group * padded * steps :], channels, data(sums), data(square),
                            at(data(bias), group * channels), biased,
                        )  # fmt: skip
                        if phases > 1:
                            i = 0
                            for c in range(channels):
                                o = group * channels + c
                                for z in range(rd, sizes[0], sd):
                                    for y in range(rh, sizes[1], sh):
                                        for x in range(rw, sizes[2], sw):
                                            out[n, o, z, y, x] = phase[i]
                                            i += 1


def _by_channels_or_taps(args: tuple, parts: int) -> list[tuple] | None:
    """Panels of output channels, which nothing is done twice for, or else taps."""
    out, g, groups = args[0], args[2], args[12]
    channels, taps = out.shape[0] // groups, out[0].size
    if g.size * taps < SHARED_FROM:
        return None
    panel = len(tap_heights()) * (vector_bytes() // out.itemsize)
    panels = -(-channels // panel)
    if panels >= parts:
        cuts = [panels * i // parts * panel for i in range(parts)] + [channels]
        return [(*args[:13], low, high, 0, taps) for low, high in itertools.pairwise(cuts)]
    cuts = sorted({taps * i // parts for i in range(parts + 1)})
    return [(*args[:13], 0, channels, low, high) for low, high in itertools.pairwise(cuts)]


@kernel(split=_by_channels_or_taps)
def convolve_weight(
    out, x, g, sd, sh, sw, pd, ph, pw, dd, dh, dw, groups, channel_start, channel_stop, tap_start, tap_stop
):  # fmt: skip
    """out[o, c, tap] = Σ over samples and places of x at the place's tap times g there: the weight's gradient.

    Of each group the output channels from ``channel_start`` (a multiple of a panel's) and the taps (c, tap) from
    ``tap_start`` on.
    """
    kd, kh, kw = out.shape[2:]
    od, oh, ow = g.shape[2:]
    vector = lanes(data(x))
    widest = tap_widest(data(x))
    inside = out.shape[1]
    channels = out.shape[0] // groups
    window = kd * kh * kw
    taps = inside * window
    places = od * oh * ow

    depth = max(x.shape[2] + pd, (od - 1) * sd + (kd - 1) * dd + 1)
    height = max(x.shape[3] + ph, (oh - 1) * sh + (kh - 1) * dh + 1)
    width = max(x.shape[4] + pw, (ow - 1) * sw + (kw - 1) * dw + 1)
    bare = depth == x.shape[2] and height == x.shape[3] and width == x.shape[4]
    plane = height * width
    volume = depth * plane
    image = np.zeros((1, 1, 1, 1) if bare else (x.shape[1], depth, height, width), x.dtype)

    place = np.empty(places, np.intp)
    _places(place, (od, oh, ow), (sd * plane, sh * width, sw))
    tap = np.empty(taps, np.intp)
    for c in range(inside):
        _places(tap[c * window :], (kd, kh, kw), (dd * plane, dh * width, dw))
        for t in range(window):
            tap[c * window + t] += c * volume

    padded = _padded_width(channels, vector)
    columns = np.zeros(places * widest * vector, x.dtype)
    total = np.zeros(groups * padded * taps, x.dtype)
    for n in range(x.shape[0]):
        if bare:
            origin = at(data(x), n * x.shape[1] * volume)
        else:
            _embed(image, x[n], pd, ph, pw)
            origin = data(image)
        for group in range(groups):
            first = channel_start
            while first < channel_stop:
                vectors = _panel(channels, first, vector, widest)
                breadth = vectors * vector
                o = group * channels + first
                _copy_transposed(
                    data(columns), breadth, at(data(g), (n * g.shape[1] + o) * places), places,
                    places, min(breadth, channels - first),
                )  # fmt: skip
                tallest = tap_height(data(x), vectors)
                tiles = (tap_stop - tap_start + tallest - 1) // tallest
                short = (tap_stop - tap_start) // tiles
                taller = tap_stop - tap_start - short * tiles
                done = tap_start
                c = at(data(total), (group * padded + first) * taps)
                for t in range(tiles):
                    tall = short + 1 if t < taller else short
                    tap_tile(
                        at(origin, group * inside * volume), at(data(tap), done), data(place), data(columns),
                        at(c, done * breadth), places, 1, tall, vectors,
                    )  # fmt: skip
                    done += tall
                first += breadth

    flat = out.reshape(out.shape[0], taps)
    for group in range(groups):
        first = channel_start
        while first < channel_stop:
            breadth = _panel(channels, first, vector, widest) * vector
            begin = (group * padded + first) * taps
            for t in range(tap_start, tap_stop):
                for j in range(min(breadth, channels - first)):
                    flat[group * channels + first + j, t] = total[begin + t * breadth + j]
            first += breadth
