"""Deterministic surrogate with MNIST's shapes, for machines without MNIST.

Digits are drawn as strokes on a 28 x 28 grid: each class is a few polylines and arcs whose points are moved by a
random affine map and by jitter; a pixel's brightness falls with its distance to the nearest stroke.  Everything is
integer arithmetic on the raw output of PCG64, whose stream NumPy guarantees, so the bytes are the same on every
platform.  As in MNIST 19 % of the pixels are not 0, on which the times of stacks that leave out zeros depend.  Some
images are two classes on top of each other and noise covers the strokes, so that no network reaches 100 %.  Its
accuracy says nothing about MNIST and is never compared with the reference.
"""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np

VERSION = 2  # 1 had noise on the background too: 57 % of its pixels were not 0
SEED = 20160101
NUM_TRAIN, NUM_TEST = 60_000, 10_000
SIZE = 28
UNIT = 64  # fixed point: 64 units are one pixel
CHUNK = 2_000  # images drawn at a time: about 100 MB
CACHED = 200  # images whose distances are computed at a time, which stay in a core's own cache
FAR = 30_000  # squared distance from which a pixel is dark: half a stroke's width is less than 160 units

# Strokes of each digit as polylines on a 20 x 20 pixel box (x to the right, y down), each class in one to two ways.
GLYPHS: tuple[tuple[tuple[tuple[int, int], ...], ...], ...] = (
    (((10, 1), (4, 5), (4, 15), (10, 19), (16, 15), (16, 5), (10, 1)),),
    (((6, 5), (11, 1), (11, 19)), ((11, 1), (9, 19))),
    (((4, 5), (8, 1), (14, 2), (15, 7), (4, 19), (16, 19)),),
    (((4, 2), (13, 1), (14, 6), (9, 9)), ((9, 9), (15, 13), (12, 18), (4, 18))),
    (((6, 1), (4, 11), (16, 11)), ((13, 4), (12, 19))),
    (((15, 1), (6, 1), (5, 9), (13, 9), (15, 14), (11, 19), (4, 17)),),
    (((13, 1), (6, 8), (5, 15), (10, 19), (15, 15), (12, 10), (5, 13)),),
    (((4, 2), (16, 2), (8, 19)), ((7, 10), (13, 10))),
    (((10, 9), (5, 5), (10, 1), (15, 5), (10, 9), (4, 15), (10, 19), (16, 15), (10, 9)),),
    (((14, 6), (9, 10), (5, 6), (9, 1), (14, 4), (13, 12), (11, 19)),),
)
POINTS_PER_DIGIT = 48  # samples along the strokes; closer than a stroke's width
AMBIGUOUS_PER_1024 = 40  # images that show a second class as well

# Of the IDX bytes of ``make()``; a test regenerates them.
SHA256 = {
    "train-images-idx3-ubyte": "88c869544cacdda5275c5b9621fd32ce42a3ff6b2216d43aac921f71fbea70fe",
    "train-labels-idx1-ubyte": "eea3a37fe0335b43469df971f23182151ac8309e701c9b28544aff9a94a8910c",
    "t10k-images-idx3-ubyte": "b2a0d53ce18e79d0d290465e19b5f4e1d118b0841f9d901b1fe9e707227e78fa",
    "t10k-labels-idx1-ubyte": "d21091dcc320b7e226c83f2f9d12f261706f8d94e056c6955754d719acb98dea",
}


def make(seed: int = SEED) -> dict[str, np.ndarray]:
    """Generate the four arrays, {name of MNIST's file: images uint8 (n, 28, 28) or labels uint8 (n,)}."""
    bits = np.random.PCG64(seed)
    return dict(zip(SHA256, (*_draw(NUM_TRAIN, bits), *_draw(NUM_TEST, bits)), strict=True))


def to_idx(array: np.ndarray) -> bytes:
    """Return ``array`` (uint8) as the content of an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def _draw(num_images: int, bits: np.random.PCG64) -> tuple[np.ndarray, np.ndarray]:
    images = np.empty((num_images, SIZE, SIZE), np.uint8)
    labels = np.empty(num_images, np.uint8)
    for start in range(0, num_images, CHUNK):
        chunk = slice(start, min(start + CHUNK, num_images))
        count = chunk.stop - chunk.start
        labels[chunk] = _uniform(bits, (count,), 0, 10)
        canvas = _strokes(labels[chunk], bits)
        # A second class on top of some images, which are hard or impossible to classify.
        second = np.flatnonzero(_uniform(bits, (count,), 0, 1024) < AMBIGUOUS_PER_1024)
        others = _uniform(bits, (len(second),), 0, 10)
        canvas[second] = np.maximum(canvas[second], _strokes(others, bits))
        noise = _uniform(bits, canvas.shape, -40, 41)
        images[chunk] = np.where(canvas > 0, np.clip(canvas + noise, 1, 255), 0)
    return images, labels


def _strokes(labels: np.ndarray, bits: np.random.PCG64) -> np.ndarray:
    """Draw one randomly transformed digit for each label; brightness int32 (n, 28, 28), 0 to 255."""
    count = len(labels)
    points = _POINTS[labels] - 10 * UNIT  # (n, points, 2), about the centre
    # x' = (a x + b y) / 1024 + shift: scale 0.75 to 1.1 in each direction, shear and rotation up to about 20 degrees
    scale_x, scale_y = _uniform(bits, (2, count, 1), 700, 1130)
    shear_x, shear_y = _uniform(bits, (2, count, 1), -330, 331)
    shift_x, shift_y = _uniform(bits, (2, count, 1), -3 * UNIT, 3 * UNIT + 1) + SIZE * UNIT // 2
    jitter = _uniform(bits, (count, POINTS_PER_DIGIT, 2), -UNIT // 2, UNIT // 2 + 1)
    x = (((scale_x * points[..., 0] + shear_x * points[..., 1]) >> 10) + shift_x + jitter[..., 0]).astype(np.int32)
    y = (((shear_y * points[..., 0] + scale_y * points[..., 1]) >> 10) + shift_y + jitter[..., 1]).astype(np.int32)
    centres = np.arange(SIZE, dtype=np.int32) * UNIT + UNIT // 2
    width2 = (_uniform(bits, (count, 1, 1), 80, 160) ** 2).astype(np.int32)  # half the stroke's width, 1.25 to 2.5 px
    result = np.empty((count, SIZE, SIZE), np.int32)
    for start in range(0, count, CACHED):
        part = slice(start, start + CACHED)
        nearest = _nearest(*(_squares(place[part].T.copy()[:, None] - centres[:, None]) for place in (x, y)))
        result[part] = np.clip(300 * (width2[part] - nearest) // width2[part], 0, 255)
    return result


def _squares(distances: np.ndarray) -> np.ndarray:
    """Return the squares of distances, at most FAR, as uint16."""
    return np.minimum(distances**2, FAR).astype(np.uint16)


def _nearest(dx2: np.ndarray, dy2: np.ndarray) -> np.ndarray:
    """Return the squared distance of each pixel to the nearest point, int32 (n, 28, 28); FAR or more is too far.

    The arguments are uint16 (points, 28, n), by column and by row.  The images come last because NumPy is slow with a
    short last axis.
    """
    nearest = np.full((SIZE, SIZE, dx2.shape[-1]), 2 * FAR, np.uint16)
    distance = np.empty_like(nearest)
    for across, down in zip(dx2, dy2, strict=True):
        np.add(down[:, None], across, out=distance)
        np.minimum(nearest, distance, out=nearest)
    return nearest.transpose(2, 0, 1).astype(np.int32)


def _uniform(bits: np.random.PCG64, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Draw int64 in [low, high) from the top 32 of each raw 64 bits; the bias is below 2**-20 for these ranges."""
    raw = bits.random_raw(int(np.prod(shape))).reshape(shape)
    raw >>= np.uint64(32)
    raw *= np.uint64(high - low)
    raw >>= np.uint64(32)
    drawn = raw.view(np.int64)
    drawn += low
    return drawn


def _sample_points() -> np.ndarray:
    """Return POINTS_PER_DIGIT points along each digit's strokes, int64 (10, points, 2) in fixed point."""
    table = np.empty((10, POINTS_PER_DIGIT, 2), np.int64)
    for digit, strokes in enumerate(GLYPHS):
        segments = [pair for stroke in strokes for pair in pairwise(stroke)]
        lengths = [max(abs(x1 - x0), abs(y1 - y0)) for (x0, y0), (x1, y1) in segments]
        total, ends = sum(lengths), np.cumsum(lengths)
        for index in range(POINTS_PER_DIGIT):
            position = index * total * UNIT // POINTS_PER_DIGIT  # along all strokes, in fixed point
            segment = int(np.searchsorted(ends * UNIT, position, side="right"))
            (x0, y0), (x1, y1) = segments[segment]
            along = position - (int(ends[segment]) - lengths[segment]) * UNIT
            table[digit, index] = (
                x0 * UNIT + (x1 - x0) * along // lengths[segment],
                y0 * UNIT + (y1 - y0) * along // lengths[segment],
            )
    return table


_POINTS = _sample_points()
