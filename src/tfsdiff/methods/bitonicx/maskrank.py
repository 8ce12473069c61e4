"""Opening and closing by ranks, each pixel with a mask of its own.

An erosion by ranks is a low centile of the values in a mask instead of their minimum, which makes
it robust to noise; a dilation is a high centile. An opening is an erosion followed by the adjoint
dilation: of all erosions whose masks hold a pixel, a high centile.

The image is cut into tiles, and each tile lists all pixels that its masks can hold, by ascending
value. A mask is then a set of bits, one for each entry of that list, 64 in a word, and the value of
rank n is found by counting bits from one end. Sets are intersections. Those for the rows and the
columns are the same for all pixels of a row or a column of the tile. Those for the bands of guide
and value grow with their bound: with pixels in the order of the bound and entries in the order in
which they come in, a tile sets each bit once for all of its pixels.

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022, and its released code.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from tfsdiff.methods.bitonicx.masks import Masks

CENTILE = 0.08
TILE = 24
WORD = 64
ONE = np.uint64(1)
NONE = np.empty((0, 0), np.int32)

_compile = njit(cache=True, nogil=True, error_model="numpy")


def opening_closing(image: np.ndarray, masks: Masks) -> tuple[np.ndarray, np.ndarray]:
    """Opening and closing (H, W) of `image` (H, W) under `masks`, by centiles of 8 % and 92 %."""
    values, window = image.ravel(), (*masks.shape, masks.half_length)
    members, holders = _bands(masks, window)
    low, high = _centiles(*_tiles(masks.order, window), values, window, members, (True, True))
    results = []
    # By their ranks the pixels stand for their values: `source` are those that give the erosion
    # (then the dilation) of each pixel, `chosen` those whose erosion (dilation) it takes.
    for source, from_above, extreme in ((low, True, np.maximum), (high, False, np.minimum)):
        first = values[source]
        order = np.argsort(masks.point[3, source], kind="stable")
        ends = not from_above, from_above
        chosen = _centiles(*_tiles(order, window), first, window, holders, ends)[from_above]
        results.append(extreme(first, first[chosen]).reshape(masks.shape))
    return results[0], results[1]


def _bands(masks: Masks, window: tuple[int, int, int]) -> tuple[Any, Any]:
    """Bands of the guide and of the value, as `_centiles` takes them.

    The first are those of the pixels in a mask: point <= high and not point < low of its centre.
    The second are those of the centres whose mask holds a pixel: low <= point, not high < point.
    """
    members, holders = [], []
    for f in (2, 3):
        point, low, high = masks.point[f], masks.low[f], masks.high[f]
        limited = bool(low.any() or (high < point.size - 1).any())
        # Where bands are equally wide all three are in the same order: one list does for all.
        orders = [np.argsort(point, kind="stable")]
        orders += [_order(keys, orders[0]) for keys in (low, high)]
        lists = {}
        for order in orders:
            if id(order) not in lists:
                lists[id(order)] = _both(order, window) if limited else (NONE, NONE)
        (points, pixels), (lows, by_low), (highs, by_high) = (lists[id(order)] for order in orders)
        members.append((limited, (points, point, by_high, high), (points, point, by_low, low)))
        holders.append((limited, (lows, low, pixels, point), (highs, high, pixels, point)))
    return tuple(members), tuple(holders)


def _both(order: np.ndarray, window: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in the windows of the tiles, and in the tiles themselves."""
    return _tiles(order, window)[0], _tiles(order, (*window[:2], 0))[0]


def _order(keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Indices by ascending `keys`; `order` itself if it is one of them."""
    ordered = keys[order]
    return order if (ordered[1:] >= ordered[:-1]).all() else np.argsort(keys, kind="stable")


@_compile
def _tiles(order, window):
    """Pixels in the windows of each tile, in the given order, and their number."""
    height, width, reach = window
    down, across = (height - 1) // TILE + 1, (width - 1) // TILE + 1
    capacity = min(TILE + 2 * reach, height) * min(TILE + 2 * reach, width)
    lists = np.empty((down * across, capacity), np.int32)
    counts = np.zeros(down * across, np.int64)
    for pixel in order:
        row, column = pixel // width, pixel % width
        left, right = max(column - reach, 0) // TILE, min(column + reach, width - 1) // TILE
        for r in range(max(row - reach, 0) // TILE, min(row + reach, height - 1) // TILE + 1):
            for tile in range(r * across + left, r * across + right + 1):
                lists[tile, counts[tile]] = pixel
                counts[tile] += 1
    return lists, counts


@_compile
def _centiles(lists, counts, levels, window, bands, ends):
    """Of the entries that each pixel has to do with, those of rank n from below and from above.

    Args:
        lists: entries of each tile by ascending level, as `_tiles` has them.
        counts: their numbers.
        levels: value of each entry.
        window: height, width and half length.
        bands: for guide and value whether the band says anything, and what comes in and goes out.
        ends: which of both are wanted; the other one is the pixel itself.
    """
    height, width, reach = window
    across = (width - 1) // TILE + 1
    length = ((lists.shape[1] - 1) // WORD + 8) // 8 * 8  # for loops without a remainder
    sets = np.empty((TILE * TILE, length), np.uint64)
    lines = np.empty((2, TILE + 2 * reach, length), np.uint64)
    passed, place = np.empty(length, np.uint64), np.empty(levels.size, np.int32)
    low, high = np.arange(levels.size), np.arange(levels.size)
    for tile in range(counts.size):
        entries = lists[tile, : counts[tile]]
        if levels[entries[0]] == levels[entries[-1]]:
            continue  # all values are equal: each pixel is its own centile
        top, left = tile // across * TILE, tile % across * TILE
        box = top, min(top + TILE, height), left, min(left + TILE, width)
        _near(entries, box, window, place, lines, passed, sets)
        for limited, grow, fade in bands:
            if limited:
                _keep(grow, True, tile, entries.size, box, width, place, passed, sets)
                _keep(fade, False, tile, entries.size, box, width, place, passed, sets)
        _choose(entries, box, width, sets, ends, low, high)
    return low, high


@_compile
def _near(entries, box, window, place, lines, buffer, sets):
    """Note the place of each entry, and make the set of each pixel that of its square."""
    top, bottom, left, right = box
    _, width, reach = window
    rows, columns = lines[0], lines[1]
    lines[:] = 0
    for i in range(entries.size):
        pixel, word, bit = entries[i], i // WORD, ONE << np.uint64(i % WORD)
        place[pixel] = i
        rows[pixel // width - top + reach, word] |= bit
        columns[pixel % width - left + reach, word] |= bit
    _slide(rows, reach, buffer)
    _slide(columns, reach, buffer)
    for row in range(bottom - top):
        for column in range(right - left):
            members = sets[row * TILE + column]
            for w in range(members.size):
                members[w] = rows[row, w] & columns[column, w]


@_compile
def _slide(lines, reach, window):
    """From the sets of single lines make those of all lines within `reach`, tile line by line."""
    window[:] = 0
    for w in range(window.size):
        for k in range(2 * reach):
            window[w] |= lines[k, w]
    for k in range(TILE):
        line, entering = lines[k], lines[k + 2 * reach]
        for w in range(window.size):
            leaving = line[w]
            line[w] = window[w] = window[w] | entering[w]
            window[w] &= ~leaving


@_compile
def _keep(bound_by, inside, tile, count, box, width, place, passed, sets):
    """Keep in the set of each pixel the entries up to its bound, or those not below it.

    `bound_by` holds the entries of all tiles in the order of their keys, the keys, the pixels of
    all tiles in the order of their bounds, and the bounds.
    """
    lists, keys, pixels, bounds = bound_by
    top, bottom, left, right = box
    passed[:] = 0
    k = 0
    for i in range((bottom - top) * (right - left)):
        pixel = pixels[tile, i]
        bound = bounds[pixel]
        while k < count:
            entry = lists[tile, k]
            if keys[entry] > bound or (keys[entry] == bound and not inside):
                break
            passed[place[entry] // WORD] |= ONE << np.uint64(place[entry] % WORD)
            k += 1
        members = sets[(pixel // width - top) * TILE + pixel % width - left]
        if inside:
            for w in range(passed.size):
                members[w] &= passed[w]
        else:
            for w in range(passed.size):
                members[w] &= ~passed[w]


@_compile
def _choose(entries, box, width, sets, ends, low, high):
    """Write the wanted centiles of the pixels in a tile to `low` and `high`."""
    top, bottom, left, right = box
    for row in range(top, bottom):
        for column in range(left, right):
            members, total = sets[(row - top) * TILE + column - left], 0
            for w in range(members.size):
                total += _ones(members[w])
            n, pixel = _rank_number(total), row * width + column
            if ends[0]:
                low[pixel] = entries[_place(members, n, True)]
            if ends[1]:
                high[pixel] = entries[_place(members, n, False)]


@_compile
def _place(members, n, from_below):
    """Place in the list of member number `n`, counted from 0 at either end."""
    w, step = (0, 1) if from_below else (members.size - 1, -1)
    ones = _ones(members[w])
    while n >= ones:
        n -= ones
        w += step
        ones = _ones(members[w])
    # Halve the word that holds it, without branches: they could not be predicted.
    word, place = members[w], np.uint64(0)
    skip = np.uint64(n if from_below else ones - 1 - n)
    for half in (32, 16, 8, 4, 2, 1):
        below = np.uint64(_ones(word & ((ONE << np.uint64(half)) - ONE)))
        beyond = np.uint64(skip >= below)
        skip -= beyond * below
        place += beyond * np.uint64(half)
        word >>= beyond * np.uint64(half)
    return w * WORD + np.int64(place)


@intrinsic
def _ones(typing, word):
    """Number of bits that are set in a word."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@_compile
def _rank_number(members):
    """Rank n, from 0, of the centile among as many members; the extreme alone is not robust."""
    n = int(CENTILE * (members - 1) + 0.5)
    return 1 if n == 0 and members > 3 else n
