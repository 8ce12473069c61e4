"""Opening and closing by ranks, each pixel with a mask of its own.

An erosion by ranks is a low centile of the values in a mask instead of their minimum, which makes
it robust to noise; a dilation is a high centile. An opening is an erosion followed by the adjoint
dilation: of all erosions whose masks hold a pixel, a high centile.

All values are sorted once. The image is cut into tiles, and each tile lists all pixels that its
masks can hold, by ascending value. A mask is then a flag for each entry of that list, found by
comparing small integers, and the value of rank n is found by counting flags.

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022, and its released code.
"""

import numpy as np
from numba import njit

from tfsdiff.methods.bitonicx.masks import Masks

CENTILE = 0.08
TILE = 16
LANES = 64  # a list is cut into as many runs, in which vector instructions count side by side

_compile = njit(cache=True, nogil=True, error_model="numpy")


def opening_closing(image: np.ndarray, masks: Masks) -> tuple[np.ndarray, np.ndarray]:
    """Opening and closing (H, W) of `image` (H, W) under `masks`, by centiles of 8 % and 92 %."""
    values, window = image.ravel(), (*masks.shape, masks.half_length)
    boxes = masks.point, masks.low, masks.high
    low, high = _centred(*_tiles(masks.order, window), values, window, *boxes)
    results = []
    # By their ranks the pixels stand for their values: `source` are those that give the erosion
    # (then the dilation) of each pixel, `chosen` those whose erosion (dilation) it takes.
    for source, from_below, extreme in ((low, False, np.maximum), (high, True, np.minimum)):
        first = values[source]
        order = np.argsort(masks.point[3, source], kind="stable")
        chosen = _adjoint(*_tiles(order, window), first, window, *boxes, from_below)
        results.append(extreme(first, first[chosen]).reshape(masks.shape))
    return results[0], results[1]


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
def _tile_pixels(tile, window):
    """Top, bottom, left and right of a tile; bottom and right are excluded."""
    height, width, _ = window
    across = (width - 1) // TILE + 1
    top, left = tile // across * TILE, tile % across * TILE
    return top, min(top + TILE, height), left, min(left + TILE, width)


@_compile
def _centred(lists, counts, levels, window, point, low, high):
    """Pixels whose values are the erosion and the dilation of each pixel."""
    fields, flags, sums = _buffers(4, lists.shape[1], point)
    lowest, highest = np.arange(levels.size), np.arange(levels.size)
    for tile in range(counts.size):
        entries = lists[tile, : counts[tile]]
        if levels[entries[0]] == levels[entries[-1]]:
            continue  # all values are equal: each pixel is its own erosion and dilation
        for f in range(4):
            _spread(entries, point[f], fields[f])
        top, bottom, left, right = _tile_pixels(tile, window)
        for row in range(top, bottom):
            for pixel in range(row * window[1] + left, row * window[1] + right):
                _flag_members(fields, low, high, pixel, flags)
                n = _rank_number(_count(flags, sums))
                lowest[pixel] = entries[_pick(flags, sums, n, True)]
                highest[pixel] = entries[_pick(flags, sums, n, False)]
    return lowest, highest


@_compile
def _adjoint(lists, counts, levels, window, point, low, high, from_below):
    """Of the pixels whose masks hold a pixel, the one whose erosion (dilation) has the rank n."""
    fields, flags, sums = _buffers(6, lists.shape[1], point)
    chosen = np.arange(levels.size)
    for tile in range(counts.size):
        entries = lists[tile, : counts[tile]]
        if levels[entries[0]] == levels[entries[-1]]:
            continue
        for f in range(2):
            # A pixel lies in the window of another exactly if that one lies in its own.
            _spread(entries, point[f], fields[f])
            _spread(entries, low[f + 2], fields[2 * f + 2])
            _spread(entries, high[f + 2], fields[2 * f + 3])
        top, bottom, left, right = _tile_pixels(tile, window)
        for row in range(top, bottom):
            for pixel in range(row * window[1] + left, row * window[1] + right):
                _flag_holders(fields, low, high, point, pixel, flags)
                n = _rank_number(_count(flags, sums))
                chosen[pixel] = entries[_pick(flags, sums, n, from_below)]
    return chosen


@_compile
def _buffers(count, entries, point):
    """Buffers for the fields and flags of a list, in lanes, and for the counts of the lanes.

    Their length is a multiple of four, as `_count` adds four rows at a time.
    """
    length = ((entries - 1) // LANES + 4) // 4 * 4
    fields = np.empty((count, length, LANES), point.dtype)
    return fields, np.empty((length, LANES), np.uint8), np.empty(LANES, np.uint16)


@_compile
def _spread(entries, source, lanes):
    """Put `source` of the entries into lanes, run after run, then values that no mask holds."""
    length = lanes.shape[0]
    lanes[:] = np.iinfo(lanes.dtype).max
    lane, k = 0, 0
    for entry in entries:
        lanes[k, lane] = source[entry]
        k += 1
        if k == length:
            lane, k = lane + 1, 0


@_compile
def _flag_members(fields, low, high, pixel, flags):
    """Flag the entries that belong to the mask of `pixel`."""
    r0, c0, g0, v0 = low[0, pixel], low[1, pixel], low[2, pixel], low[3, pixel]
    r1, c1, g1, v1 = high[0, pixel], high[1, pixel], high[2, pixel], high[3, pixel]
    for k in range(flags.shape[0]):
        flag, row, column = flags[k], fields[0][k], fields[1][k]
        guide, value = fields[2][k], fields[3][k]
        for i in range(LANES):
            near = (r0 <= row[i]) & (row[i] <= r1) & (c0 <= column[i]) & (column[i] <= c1)
            alike = (g0 <= guide[i]) & (guide[i] <= g1) & (v0 <= value[i]) & (value[i] <= v1)
            flag[i] = near & alike


@_compile
def _flag_holders(fields, low, high, point, pixel, flags):
    """Flag the entries whose mask holds `pixel`."""
    r0, c0, guide, value = low[0, pixel], low[1, pixel], point[2, pixel], point[3, pixel]
    r1, c1 = high[0, pixel], high[1, pixel]
    for k in range(flags.shape[0]):
        flag, row, column = flags[k], fields[0][k], fields[1][k]
        g0, g1, v0, v1 = fields[2][k], fields[3][k], fields[4][k], fields[5][k]
        for i in range(LANES):
            near = (r0 <= row[i]) & (row[i] <= r1) & (c0 <= column[i]) & (column[i] <= c1)
            alike = (g0[i] <= guide) & (guide <= g1[i]) & (v0[i] <= value) & (value <= v1[i])
            flag[i] = near & alike


@_compile
def _count(flags, sums):
    """Count the flags of each lane into `sums`, and return their total."""
    sums[:] = 0
    for k in range(0, flags.shape[0], 4):  # four rows at a time, so that `sums` is loaded less
        a, b, c, d = flags[k], flags[k + 1], flags[k + 2], flags[k + 3]
        for i in range(LANES):
            sums[i] += np.uint8(a[i] + b[i] + c[i] + d[i])
    total = 0
    for i in range(LANES):
        total += sums[i]
    return total


@_compile
def _pick(flags, sums, n, from_below):
    """Place in the list of flag number `n`, counted from 0 at either end."""
    length = flags.shape[0]
    lane, step, k = (0, 1, 0) if from_below else (LANES - 1, -1, length - 1)
    while n >= sums[lane]:
        n -= sums[lane]
        lane += step
    while True:
        n -= flags[k, lane]
        if n < 0:
            return lane * length + k
        k += step


@_compile
def _rank_number(members):
    """Rank n, from 0, of the centile among as many members; the extreme alone is not robust."""
    n = int(CENTILE * (members - 1) + 0.5)
    return 1 if n == 0 and members > 3 else n
