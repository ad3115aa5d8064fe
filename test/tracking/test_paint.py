"""An object's paint in any light, where it was not seen yet."""

from dataclasses import replace

import numpy as np
import pytest
from tracking_scenes import START, frame_of

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.kernels.shared import BIN_SHIFT, BINS
from pose_tracker_ros.objects import load_object, recolored
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.paint import paint_histogram, painted_statistics

YELLOW, WHITE, BLUE = np.array([[220, 190, 20], [240, 240, 240], [20, 40, 200]], np.uint8)


@pytest.fixture(scope="module")
def yellow():
    """The paint of a yellow bowl."""
    bowl = next(model for model in benchmark_objects() if model.name == "bowl")
    mesh = recolored(bowl.mesh, vertex_colors=np.tile(YELLOW, (len(bowl.mesh.vertices), 1)))
    return paint_histogram(type(bowl).from_mesh("yellow", mesh), RasterRenderer(mesh), NoiseModel())


def at(histogram, color):
    red, green, blue = (int(value) >> BIN_SHIFT for value in color)
    return histogram.reshape(BINS, BINS, BINS)[red, green, blue]


def test_paint_is_seen_darker_and_brighter_but_not_in_another_hue(yellow):
    assert yellow.sum() == pytest.approx(1, abs=1e-5)
    assert at(yellow, 0.7 * YELLOW) > 0 and at(yellow, np.minimum(1.15 * YELLOW, 255)) > 0
    assert at(yellow, BLUE) == 0


def test_colours_of_the_paint_speak_for_it_where_all_else_is_of_others_and_none_against_it(yellow):
    frame = frame_of(load_object("cube"), START)
    color = np.tile(WHITE, (*frame.color.shape[:2], 1))
    color[200:204, 200:204] = YELLOW
    posterior = painted_statistics(yellow, replace(frame, color=color)).posterior()
    assert at(posterior, YELLOW) > 0.8
    assert at(posterior, WHITE) == pytest.approx(0.5) and at(posterior, BLUE) == pytest.approx(0.5)
    everywhere = painted_statistics(yellow, replace(frame, color=np.tile(YELLOW, (*color.shape[:2], 1))))
    assert at(everywhere.posterior(), YELLOW) == pytest.approx(0.5)


def test_a_mesh_without_colours_has_no_paint():
    cube = load_object("cube")
    mesh = recolored(cube.mesh)
    assert paint_histogram(type(cube).from_mesh("plain", mesh), RasterRenderer(mesh), NoiseModel()) is None
