"""Fixtures of all tests."""

import os
from pathlib import Path

import pytest
import torch
from dataset_layouts import bop_scene, cambridge_scene, eoat_video, seven_scenes_room, ycb_video

__all__ = ["bop_scene", "cambridge_scene", "eoat_video", "one_thread", "seven_scenes_room", "shared_data", "ycb_video"]
REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the real data that may not be distributed with the package; skips where it is absent.

    It is named by POSE_TRACKER_SHARED_DATA, or is shared/data beside or in the repository.
    """
    named = os.environ.get("POSE_TRACKER_SHARED_DATA")
    places = [Path(named)] if named else [REPOSITORY.parent / "shared" / "data", REPOSITORY / "shared" / "data"]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"needs the real data at {places[0]} (set POSE_TRACKER_SHARED_DATA to where they are)")


@pytest.fixture(scope="module")
def one_thread():
    """Small batches are faster on one thread, and many times faster where other programs run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
