"""Names of objects as parts of topics and frames."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_tracker_ros.nodes.object_names import ros_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo_jug", "demo_jug"),
        ("obj_000001#2", "obj_000001_2"),
        ("006_mustard_bottle", "object_006_mustard_bottle"),
        ("my  cup (blue)", "my_cup_blue"),
        ("__hidden__", "hidden"),
        ("#", "object"),
        ("卵", "object"),
    ],
)
def test_names_become_valid(name, expected):
    assert ros_name(name) == expected


@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_different_names_stay_different_and_valid(names):
    taken = []
    for name in names:
        taken.append(ros_name(name, taken))
    assert len(set(taken)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and "__" not in name for name in taken)
