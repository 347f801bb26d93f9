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
from .simd import at, data, lanes, move, vector_bytes
from .split import ranges
from .taps import line_tile, tap_height, tap_heights, tap_tile, tap_widest, transpose_add
from .tile import height as line_height
from .tile import widest as line_widest

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
def _store(out, out_stride, c, width, places, channels, bias, square):
    """out[j, i] = c[i, j] + bias[j] for contiguous places i; bias has room for whole vectors."""
    vector = lanes(c)
    for j0 in range(0, channels, vector):
        if places < vector:
            for j in range(j0, min(j0 + vector, channels)):
                for i in range(places):
                    out[j * out_stride + i] = c[i * width + j] + bias[j]
            continue
        for i0 in range(0, places, vector):
            i = min(i0, places - vector)
            origin = at(c, i * width + j0)
            if j0 + vector <= channels:
                transpose_add(at(out, j0 * out_stride + i), out_stride, origin, width, at(bias, j0))
            else:
                transpose_add(square, vector, origin, width, at(bias, j0))
                for j in range(j0, channels):
                    move(at(out, j * out_stride + i), at(square, (j - j0) * vector))


@kernel
def _along_lines(width, stride, channels, vector):
    """Whether vectors waste less along lines of ``width`` places than across channels.

    Across channels there are the sums to transpose besides, about a tenth.
    """
    across = (channels + vector - 1) // vector * vector * width * 11
    return (
        stride == 1
        and width >= vector
        and (width + vector - 1) // vector * vector * channels * 10 <= across
    )


@kernel
def _line_vectors(width, pointer):
    """The vectors of a tile along a line."""
    vectors = (width + lanes(pointer) - 1) // lanes(pointer)
    return vectors if vectors <= line_widest(pointer) else 2


@kernel
def _block(first, channels, lines, width, pointer):
    """How many channels, from ``first`` on, are packed side by side: a tile's rows or its vectors."""
    if not lines:
        return _panel(channels, first, lanes(pointer), tap_widest(pointer)) * lanes(pointer)
    tallest = line_height(pointer, _line_vectors(width, pointer))
    tiles = (channels + tallest - 1) // tallest
    short = channels // tiles
    return short + 1 if first < (channels - short * tiles) * (short + 1) else short


@kernel
def _pack_weight(packed, weight, transposed, group, inside, channels, rows, columns, lines, width):
    """packed[block][row tap, channel inside, column tap, channel] for the taps of the window at ``rows`` and ``columns``.

    Channels are the weight's first dimension, or its second where ``transposed``.
    """
    pointer = data(packed)
    first = 0
    place = 0
    while first < channels:
        block = _block(first, channels, lines, width, pointer)
        for r in rows:
            for c in range(inside):
                for k in columns:
                    for j in range(block):
                        o = first + j
                        if o >= channels:
                            pointer[place + j] = 0
                        elif transposed:
                            pointer[place + j] = weight[group * inside + c, o, r + k]
                        else:
                            pointer[place + j] = weight[group * channels + o, c, r + k]
                    place += block
        first += block


@kernel
def _correlate(out, image, place, places, step, steps, packed, channels, sums, square, bias):
    """out[o, p] for contiguous places p and the channels o of one group, vectors across channels."""
    vector = lanes(packed)
    widest = tap_widest(packed)
    for p in range(0, places, PLACES):
        count = min(PLACES, places - p)
        first = 0
        while first < channels:
            vectors = _panel(channels, first, vector, widest)
            width = vectors * vector
            b = at(packed, first * steps)
            _multiply(image, count, at(place, p), steps, step, b, sums, vectors)
            target = at(out, first * places + p)
            left = min(width, channels - first)
            _store(target, places, sums, width, count, left, at(bias, first), square)
            first += width


@kernel
def _correlate_lines(
    out, image, place, width, begin, end, step, steps_of_row, rows, packed, channels, bias, places
):  # fmt: skip
    """As ``_correlate``, vectors along the lines; line y meets the row taps from begin[y] to end[y] − 1."""
    vector = lanes(packed)
    vectors = _line_vectors(width, packed)
    span = vectors * vector
    panels = (width + span - 1) // span
    for p in range(0, places, width):
        y = p // width % len(begin)
        low, deep = begin[y] * steps_of_row, (end[y] - begin[y]) * steps_of_row
        for q in range(panels):
            j = q * span if panels == 1 else min(q * span, width - span)
            last = min(span, width) - vector
            b = at(image, place[p] + j)
            first = 0
            while first < channels:
                tall = _block(first, channels, True, width, packed)
                a = at(packed, (first * rows * steps_of_row) + low * tall)
                c = at(out, first * places + p + j)
                line_tile(
                    a, b, at(step, low), c, places, deep, last, at(bias, first), tall, vectors
                )
                first += tall


@kernel
def _inside(begin, end, at_first, stride, height):
    """begin and end of the row taps that stay inside, for each line, given where they are for the first line."""
    for y in range(len(begin)):
        begin[y], end[y] = 0, 0
        for r in range(len(at_first)):
            if 0 <= at_first[r] + y * stride < height:
                begin[y] = r if end[y] == 0 else begin[y]
                end[y] = r + 1


@kernel
def _padded_bias(bias, biased, groups, channels, padded, like):
    """The bias of each group with room for whole vectors; zeros without one."""
    out = np.zeros(groups * padded, like.dtype)
    if biased:
        for group in range(groups):
            for c in range(channels):
                out[group * padded + c] = bias[group * channels + c]
    return out


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
    steps = inside * kd * kh * kw
    places = od * oh * ow

    depth = max(x.shape[2] + pd, (od - 1) * sd + (kd - 1) * dd + 1)
    height = max(x.shape[3] + ph, (oh - 1) * sh + (kh - 1) * dh + 1)
    width = max(x.shape[4] + pw, (ow - 1) * sw + (kw - 1) * dw + 1)
    bare = depth == x.shape[2] and height == x.shape[3] and width == x.shape[4]
    plane = height * width
    volume = depth * plane
    image = np.zeros((1, 1, 1, 1) if bare else (x.shape[1], depth, height, width), x.dtype)

    lines = _along_lines(ow, sw, channels, vector)
    place = np.empty(places, np.intp)
    _places(place, (od, oh, ow), (sd * plane, sh * width, sw))
    step = np.empty(steps, np.intp)
    _places(step, (kd * kh, inside, kw), (0, volume, dw))
    for r in range(kd * kh):
        for t in range(r * inside * kw, (r + 1) * inside * kw):
            step[t] += r // kh * dd * plane + r % kh * dh * width
    begin, end = np.zeros(oh, np.intp), np.full(oh, kd * kh)
    if kd == 1:
        _inside(begin, end, np.arange(kh) * dh - ph, sh, x.shape[3])

    padded = _padded_width(channels, vector)
    packed = np.empty(groups * padded * steps, x.dtype)
    flat = weight.reshape(weight.shape[0], inside, kd * kh * kw)
    for group in range(groups):
        _pack_weight(
            packed[group * padded * steps :], flat, False, group, inside, channels,
            np.arange(kd * kh) * kw, np.arange(kw), lines, ow,
        )  # fmt: skip
    added = _padded_bias(bias, biased, groups, channels, padded, x)
    sums = np.empty(PLACES * tap_widest(data(x)) * vector, x.dtype)
    square = np.empty(vector * vector, x.dtype)
    for n in range(start, stop):
        if bare:
            origin = at(data(x), n * x.shape[1] * volume)
        else:
            _embed(image, x[n], pd, ph, pw)
            origin = data(image)
        for group in range(groups):
            target = at(data(out), (n * out.shape[1] + group * channels) * places)
            b = at(data(packed), group * padded * steps)
            c = at(data(added), group * padded)
            origin_of_group = at(origin, group * inside * volume)
            if lines:
                _correlate_lines(
                    target, origin_of_group, place, ow, begin, end, data(step), inside * kw, kd * kh, b, channels,
                    c, places,
                )  # fmt: skip
            else:
                _correlate(
                    target, origin_of_group, data(place), places, data(step), steps, b, channels, data(sums),
                    data(square), c,
                )  # fmt: skip


@kernel
def _quotient(a, b):
    """⌈a / b⌉ where that is positive, else 0."""
    return max(0, -(-a // b))


@kernel
def _meeting(phase, size, padding, dilation, stride):
    """The taps k that elements of a phase meet, those with phase + padding − k·dilation divisible by the stride."""
    count = 0
    for k in range(size):
        count += (phase + padding - k * dilation) % stride == 0
    taps = np.empty(count, np.intp)
    count = 0
    for k in range(size):
        if (phase + padding - k * dilation) % stride == 0:
            taps[count] = k
            count += 1
    return taps


@kernel(split=ranges)
def convolve_input(
    out, g, weight, bias, sd, sh, sw, pd, ph, pw, dd, dh, dw, groups, biased, start, stop
):  # fmt: skip
    """out[n] = Σ over the places of g[n] that each input element went to; plus the bias if ``biased``.

    The gradient of the input, and the transposed convolution. Elements whose index leaves the same remainder by the
    stride, a phase, meet the same taps k, at place t + (phase + padding − k·dilation)/stride: a convolution of stride 1.
    """
    kd, kh, kw = weight.shape[2:]
    vector = lanes(data(g))
    inside = g.shape[1] // groups
    channels = weight.shape[1]
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
    packed = np.empty(groups * padded * inside * kd * kh * kw, g.dtype)
    flat = weight.reshape(weight.shape[0], channels, kd * kh * kw)
    added = _padded_bias(bias, biased, groups, channels, padded, g)
    step = np.empty(inside * kd * kh * kw, np.intp)
    place = np.empty(cells, np.intp)
    phases = sd * sh * sw
    # With a stride, a phase's elements are not neighbors: they are gathered here before they are written.
    phase = np.empty(1 if phases == 1 else channels * cells, g.dtype)
    sums = np.empty(PLACES * tap_widest(data(g)) * vector, g.dtype)
    square = np.empty(vector * vector, g.dtype)

    for rd in range(min(sd, sizes[0])):
        for rh in range(min(sh, sizes[1])):
            for rw in range(min(sw, sizes[2])):
                deep = _meeting(rd, kd, pd, dd, sd)
                high = _meeting(rh, kh, ph, dh, sh)
                wide = _meeting(rw, kw, pw, dw, sw)
                rows = np.empty(len(deep) * len(high), np.intp)
                steps_of_row = inside * len(wide)
                steps = len(rows) * steps_of_row
                t = 0
                for z in range(len(deep)):
                    for y in range(len(high)):
                        rows[z * len(high) + y] = (deep[z] * kh + high[y]) * kw
                        line = (rd + pd - deep[z] * dd) // sd + front
                        line = line * height + (rh + ph - high[y] * dh) // sh + top
                        for c in range(inside):
                            for x in range(len(wide)):
                                across = (rw + pw - wide[x] * dw) // sw + left
                                step[t] = c * volume + line * width + across
                                t += 1
                td = (sizes[0] - rd + sd - 1) // sd
                th = (sizes[1] - rh + sh - 1) // sh
                tw = (sizes[2] - rw + sw - 1) // sw
                places = td * th * tw
                _places(place, (td, th, tw), (plane, width, 1))
                begin, end = np.zeros(th, np.intp), np.full(th, len(rows))
                if kd == 1 and len(deep) == 1:
                    _inside(begin, end, (rh + ph - high * dh) // sh, 1, g.shape[3])
                lines = _along_lines(tw, 1, channels, vector)
                for group in range(groups):
                    _pack_weight(
                        packed[group * padded * steps :], flat, True, group, inside, channels, rows, wide, lines, tw
                    )  # fmt: skip
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
                        b = at(data(packed), group * padded * steps)
                        c = at(data(added), group * padded)
                        origin_of_group = at(origin, group * inside * volume)
                        if lines:
                            _correlate_lines(
                                target, origin_of_group, place, tw, begin, end, data(step), steps_of_row, len(rows),
                                b, channels, c, places,
                            )  # fmt: skip
                        else:
                            _correlate(
                                target, origin_of_group, data(place), places, data(step), steps, b, channels,
                                data(sums), data(square), c,
                            )  # fmt: skip
                        if phases > 1:
                            i = 0
                            for o in range(group * channels, (group + 1) * channels):
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
