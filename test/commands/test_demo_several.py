"""The scene of the demo with several objects."""

from __future__ import annotations

import pytest

from pose_tracker_ros.commands.demo_several import PLACES, scene_of
from pose_tracker_ros.evaluation.named_scenes import open_scene_config

OBJECTS = ("demo_jug", "drill", "cube", "carton", "bowl", "bracket")


def test_every_object_is_seen():
    """Hardly hidden by others and not sunk into the table, with as many as there is room for."""
    frame = open_scene_config(scene_of(OBJECTS, 2, 30.0), "demo").read(0)
    assert min(frame.visibility[name] for name in OBJECTS) > 0.95


def test_more_than_there_is_room_for_are_refused():
    with pytest.raises(ValueError, match=f"at most {len(PLACES)} objects"):
        scene_of([*OBJECTS, "spanner"], 2, 30.0)
