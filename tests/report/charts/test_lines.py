"""Names beside curves: moved apart as little as possible, and never outside the panel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.charts.lines import spread


def test_names_without_overlap_stay() -> None:
    """A name that overlaps no other is not moved."""
    assert spread(np.array([80.0, 20.0, 50.0]), np.array([10.0, 10.0, 10.0]), 100).tolist() == [80, 20, 50]


def test_overlapping_names_are_moved_to_both_sides() -> None:
    """Two names at one place move by half a height each, and keep their order."""
    assert spread(np.array([50.0, 50.0]), np.array([10.0, 10.0]), 100).tolist() == [45, 55]


@given(st.lists(st.tuples(st.floats(-50, 350), st.floats(1, 30)), min_size=1, max_size=10))
def test_names_never_overlap_or_leave_the_panel(labels: list[tuple[float, float]]) -> None:
    """For any places and heights, names keep their order, do not overlap, and stay inside."""
    wanted, heights = np.array(labels).T
    centres = spread(wanted, heights, 300)
    order = np.argsort(wanted, kind="stable")
    tops, ends = (centres - heights / 2)[order], (centres + heights / 2)[order]
    assert (tops[1:] - ends[:-1] >= -1e-9).all()
    assert tops[0] >= -1e-9
    assert ends[-1] <= 300 + 1e-9
    assert centres.sum() == pytest.approx(centres[order].sum())
