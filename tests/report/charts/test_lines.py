"""Names beside curves: moved apart as little as can be, never beyond the panel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.charts.lines import spread


def test_names_with_room_stand_where_they_are_wanted() -> None:
    """Nothing is moved that does not collide."""
    assert spread(np.array([80.0, 20.0, 50.0]), np.array([10.0, 10.0, 10.0]), 100).tolist() == [80, 20, 50]


def test_names_that_collide_are_moved_to_both_sides() -> None:
    """Two of one place share the way: each is moved by half a height, and keeps its side."""
    assert spread(np.array([50.0, 50.0]), np.array([10.0, 10.0]), 100).tolist() == [45, 55]


@given(st.lists(st.tuples(st.floats(-50, 350), st.floats(1, 30)), min_size=1, max_size=10))
def test_names_never_overlap_nor_leave_the_panel(labels: list[tuple[float, float]]) -> None:
    """Whatever their places and heights, they keep their order, lie apart, and stay inside."""
    wanted, heights = np.array(labels).T
    centres = spread(wanted, heights, 300)
    order = np.argsort(wanted, kind="stable")
    tops, ends = (centres - heights / 2)[order], (centres + heights / 2)[order]
    assert (tops[1:] - ends[:-1] >= -1e-9).all()
    assert tops[0] >= -1e-9
    assert ends[-1] <= 300 + 1e-9
    assert centres.sum() == pytest.approx(centres[order].sum())
