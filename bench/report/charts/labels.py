"""
Places labels near their dots without overlaps; a label that is not near its dot gets a line to it.

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
"""The usual distance between a dot's centre and its label, and the largest one without a line."""
DOT, CLEAR = 4.5, 1.5
"""Half the width of the space reserved for a dot, and the margin reserved around a label."""
STEP, SHIFTS = 4.0, (0.0, 20.0, 45.0, 80.0, 130.0)
"""The vertical distance between the places that are tried, and their horizontal offsets."""
COMPARED = 200
"""The number of nearest free places that are compared."""
ON_A_LINE, OVER_A_DOT, OVER_A_LABEL = 1.5, 6.0, 20.0
"""The penalty, in points of distance, for each sample of a line that a label covers, and for each sample of the label's
own line that lies on another dot, or on another label."""
SAMPLES = np.linspace(0, 1, 40)[:, None]
"""Positions along the line from a dot to its label that are tested."""


@dataclass(frozen=True)
class Place:
    """The position of a label."""

    left: float
    bottom: float
    line: tuple[Point, Point] | None
    """From the dot to the label; None if the label is near."""


def places(dots: Sequence[Point], sizes: Sequence[Point], page: Point, drawn: Sequence[Point]) -> list[Place] | None:
    """
    Return a place for the label of each dot, or None if the page has no room for all of them.

    :param sizes: width and height of each label; the first ones are placed first, so nearest.
    :param page: width and height of the area for labels.
    :param drawn: points on the lines of the chart, which labels avoid where possible.
    """
    around = np.array([(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots])
    on_lines, labels, found = np.array(drawn).reshape(-1, 2), np.empty((0, 4)), []
    for dot, size in zip(dots, sizes, strict=True):
        boxes = _nearest(dot, _free(_candidates(dot, size, page), np.vstack([around, labels])))
        if not len(boxes):
            return None
        ends = np.clip(dot, boxes[:, :2], boxes[:, 2:])
        lines = dot + SAMPLES * (ends - dot)[:, None]
        badness = _distances(dot, boxes) + ON_A_LINE * _covered(boxes, on_lines)
        badness += OVER_A_DOT * _crossings(lines, _free(around, np.array([[*dot, *dot]])))
        badness += OVER_A_LABEL * _crossings(lines, labels)
        best = int(np.argmin(badness))
        (left, bottom, *_), (x, y) = boxes[best].tolist(), ends[best].tolist()
        found.append(Place(left, bottom, None if math.dist(dot, (x, y)) <= NEAR else (dot, (x, y))))
        labels = np.vstack([labels, boxes[best] + (-CLEAR, -CLEAR, CLEAR, CLEAR)])
        on_lines = np.vstack([on_lines, lines[best]])
    return found


def _candidates(dot: Point, size: Point, page: Point) -> Array:
    """Return candidate boxes for a label within the page, on both sides of its dot, above and below."""
    (x, y), (width, height), (right, top) = dot, size, page
    lefts = [*(x + BESIDE + by for by in SHIFTS), *(x - BESIDE - width - by for by in SHIFTS)]
    bottoms = y - height / 2 + np.arange(-top // STEP, top // STEP + 1) * STEP
    boxes = np.array([(left, bottom, left + width, bottom + height) for left in lefts for bottom in bottoms])
    return boxes[(boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= (right, top)).all(axis=1)]


def _free(boxes: Array, others: Array) -> Array:
    """Return the boxes that overlap none of the others."""
    overlap = [((boxes[:, :2] <= other[2:]) & (other[:2] <= boxes[:, 2:])).all(axis=1) for other in others]
    free: Array = boxes[~np.any(overlap, axis=0)]
    return free


def _nearest(dot: Point, boxes: Array) -> Array:
    return boxes[np.argsort(_distances(dot, boxes), kind="stable")[:COMPARED]]


def _distances(dot: Point, boxes: Array) -> Array:
    """Return the distance of each box from the dot."""
    aside: Array = np.clip(dot, boxes[:, :2], boxes[:, 2:]) - dot
    return np.hypot(aside[:, 0], aside[:, 1])


def _on(points: Array, boxes: Array) -> Flags:
    """Return for each point whether it lies on one of the boxes."""
    hits = [((box[:2] <= points) & (points <= box[2:])).all(axis=-1) for box in boxes]
    return np.any(hits, axis=0) if hits else np.zeros(points.shape[:-1], bool)


def _crossings(lines: Array, boxes: Array) -> Counts:
    """Return the number of points of each line that lie on the boxes."""
    return np.array([np.count_nonzero(hits) for hits in _on(lines, boxes)])


def _covered(boxes: Array, points: Array) -> Counts:
    """Return the number of points that each box covers."""
    return np.array([np.count_nonzero(_on(points, box[None])) for box in boxes])
