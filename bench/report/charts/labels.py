"""
Places for the labels of dots: each as near to its dot as the others let it be, and where that is not near, with a line.

All lengths are points from the bottom left corner of a panel. The same dots always get the same places.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int_]
Flags = npt.NDArray[np.bool_]
Point = tuple[float, float]

BESIDE, NEAR = 7.0, 9.0
"""Between the middle of a dot and its label; a label no farther away than the second needs no line to its dot."""
DOT, CLEAR = 4.5, 1.5
"""Half the width that a dot keeps free, and what a label keeps free around it."""
STEP, SHIFTS = 4.0, (0.0, 20.0, 45.0, 80.0, 130.0)
"""Places are tried so far apart, up and down, and so far aside."""
COMPARED = 200
"""How many of the nearest free places are compared."""
ON_A_LINE, OVER_A_DOT, OVER_A_LABEL = 1.5, 6.0, 20.0
"""How much farther away a place may be for each point of a line that it leaves uncovered, and for each point by which
the line to it leaves other dots, and labels, uncovered."""
SAMPLES = np.linspace(0, 1, 40)[:, None]
"""Where the line from a dot to its label is looked at."""


@dataclass(frozen=True)
class Place:
    """Where a label stands."""

    left: float
    bottom: float
    line: tuple[Point, Point] | None
    """From the dot to the label; None where the label is near."""


def places(dots: Sequence[Point], sizes: Sequence[Point], page: Point, drawn: Sequence[Point]) -> list[Place] | None:
    """
    Return a place for the label of each dot, or None where the page has no room for all of them.

    :param sizes: width and height of each label; the first ones come to stand nearest.
    :param page: width and height of what labels may stand on.
    :param drawn: points on the lines of the picture, which labels keep off if they can.
    """
    around = np.array([(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots])
    on_lines, labels, found = np.array(drawn).reshape(-1, 2), np.empty((0, 4)), []
    for dot, size in zip(dots, sizes, strict=True):
        boxes = _nearest(dot, _free(_tried(dot, size, page), np.vstack([around, labels])))
        if not len(boxes):
            return None
        ends = np.clip(dot, boxes[:, :2], boxes[:, 2:])
        lines = dot + SAMPLES * (ends - dot)[:, None]
        badness = _distances(dot, boxes) + ON_A_LINE * _covered(boxes, on_lines)
        badness += OVER_A_DOT * _run_over(lines, _free(around, np.array([[*dot, *dot]])))
        badness += OVER_A_LABEL * _run_over(lines, labels)
        best = int(np.argmin(badness))
        (left, bottom, *_), (x, y) = boxes[best].tolist(), ends[best].tolist()
        found.append(Place(left, bottom, None if math.dist(dot, (x, y)) <= NEAR else (dot, (x, y))))
        labels = np.vstack([labels, boxes[best] + (-CLEAR, -CLEAR, CLEAR, CLEAR)])
        on_lines = np.vstack([on_lines, lines[best]])
    return found


def _tried(dot: Point, size: Point, page: Point) -> Array:
    """Return boxes for a label that lie on the page: on both sides of its dot, higher and lower."""
    (x, y), (width, height), (right, top) = dot, size, page
    lefts = [*(x + BESIDE + by for by in SHIFTS), *(x - BESIDE - width - by for by in SHIFTS)]
    bottoms = y - height / 2 + np.arange(-top // STEP, top // STEP + 1) * STEP
    boxes = np.array([(left, bottom, left + width, bottom + height) for left in lefts for bottom in bottoms])
    return boxes[(boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= (right, top)).all(axis=1)]


def _free(boxes: Array, others: Array) -> Array:
    """Return those of the boxes that overlap none of the others."""
    overlap = [((boxes[:, :2] <= other[2:]) & (other[:2] <= boxes[:, 2:])).all(axis=1) for other in others]
    free: Array = boxes[~np.any(overlap, axis=0)]
    return free


def _nearest(dot: Point, boxes: Array) -> Array:
    return boxes[np.argsort(_distances(dot, boxes), kind="stable")[:COMPARED]]


def _distances(dot: Point, boxes: Array) -> Array:
    """Return how far each box is from the dot."""
    aside: Array = np.clip(dot, boxes[:, :2], boxes[:, 2:]) - dot
    return np.hypot(aside[:, 0], aside[:, 1])


def _on(points: Array, boxes: Array) -> Flags:
    """Say of each point whether it lies on one of the boxes."""
    hits = [((box[:2] <= points) & (points <= box[2:])).all(axis=-1) for box in boxes]
    return np.any(hits, axis=0) if hits else np.zeros(points.shape[:-1], bool)


def _run_over(lines: Array, boxes: Array) -> Counts:
    """Return how many points of each line lie on the boxes."""
    return np.array([np.count_nonzero(hits) for hits in _on(lines, boxes)])


def _covered(boxes: Array, points: Array) -> Counts:
    """Return how many of the points each box covers."""
    return np.array([np.count_nonzero(_on(points, box[None])) for box in boxes])
