"""Hands and grippers: their measures, read off the vertices, are those that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.simulation.grippers import (
    FINGERTIP_M,
    LARGEST_OPENING_M,
    LAST_JOINT_SHARE,
    PALM_M,
    bent_finger,
    gripper_mesh,
    hand_mesh,
)

SKIN = (205, 150, 120)
OPENINGS = [0.0, 0.012, 0.08, LARGEST_OPENING_M]


def hand(opening: float, seed: int = 0):
    return hand_mesh(opening, SKIN, np.random.default_rng(seed))


def surface_between(mesh: Mesh, opening: float) -> np.ndarray:
    """Points (N, 3) of the surface in the middle between the fingers."""
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, _ = trimesh.sample.sample_surface(whole, 20000, seed=0)
    return points[np.abs(points[:, 0]) < 0.2 * opening]


@pytest.fixture(params=["gripper", "hand"])
def made(request):
    return {"gripper": gripper_mesh, "hand": hand}[request.param]


@pytest.mark.parametrize("opening", OPENINGS)
def test_fingertips_are_as_far_apart_as_asked(made, opening):
    vertices = made(opening).vertices
    tips = vertices[vertices[:, 2] > 0]
    left, right = tips[tips[:, 0] < 0], tips[tips[:, 0] > 0]
    if opening == 0:
        left, right = tips[tips[:, 0] < 1e-6], tips[tips[:, 0] > -1e-6]
    assert right[:, 0].min() == pytest.approx(opening / 2, abs=1e-5)
    assert left[:, 0].max() == pytest.approx(-opening / 2, abs=1e-5)
    assert vertices[:, 2].max() == pytest.approx(FINGERTIP_M, abs=1e-5)


def test_every_finger_of_the_hand_touches_the_grasp():
    vertices = hand(0.08).vertices
    touching = vertices[(np.abs(vertices[:, 0] - 0.04) < 1e-5) & (vertices[:, 2] > -0.02)]
    assert len(np.unique(np.round(touching[:, 1], 4))) == 4
    # A right hand: its thumb is on the side of the index finger, which reaches further than the little finger.
    thumb = vertices[np.abs(vertices[:, 0] + 0.04) < 1e-5]
    order = touching[np.argsort(touching[:, 1])]
    assert order[0, 2] > order[-1, 2] and thumb[0, 1] < 0


@pytest.mark.parametrize("opening", OPENINGS[1:])
def test_palm_and_arm_are_behind_the_fingers(made, opening):
    vertices = made(opening).vertices
    assert vertices[:, 2].min() < -0.4
    assert surface_between(made(opening), opening)[:, 2].max() < -PALM_M + 0.005
    assert np.abs(vertices[vertices[:, 2] < -0.2, :2]).max() < 0.15


def test_meshes_can_be_drawn(made):
    mesh = made(0.08)
    assert len(mesh.faces) <= 3000
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    assert mesh.faces.max() < len(mesh.vertices) == len(mesh.vertex_colors)
    assert len(np.unique(mesh.vertex_colors, axis=0)) >= 3
    corners = mesh.vertices[mesh.faces]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.all(np.einsum("fk,fck->fc", outward, mesh.normals[mesh.faces]) >= -1e-9)


def test_a_seed_makes_one_hand():
    one, same, other = hand(0.06, 3), hand(0.06, 3), hand(0.06, 4)
    assert np.array_equal(one.vertices, same.vertices) and np.array_equal(one.vertex_colors, same.vertex_colors)
    assert not np.array_equal(one.vertex_colors, other.vertex_colors)
    fingers = one.vertex_colors[one.vertices[:, 2] > -0.05].astype(int)
    assert np.abs(fingers - SKIN).max() < 25 and len(np.unique(fingers, axis=0)) > 5


def test_finger_joins_its_ends_with_links_of_their_length():
    links = np.array([0.05, 0.03, 0.02])
    places = bent_finger(np.array([0.01, 0, -0.06]), np.array([0.03, 0.01, 0.01]), links, np.array([1.0, 0, 0]))
    assert np.allclose(places[[0, 3]], [[0.01, 0, -0.06], [0.03, 0.01, 0.01]])
    steps = np.diff(places, axis=0)
    assert np.allclose(np.linalg.norm(steps, axis=1), links)
    units = steps / links[:, None]
    middle, last = np.arccos(np.einsum("ij,ij->i", units[:-1], units[1:]))
    assert last == pytest.approx(LAST_JOINT_SHARE * middle) and middle > 0.1
    # The back of the finger looks outwards, and all of it is in one plane.
    straight = np.linspace(places[0], places[3], 4)
    assert np.all(places[1:3, 0] > straight[1:3, 0])
    assert np.linalg.matrix_rank(steps, tol=1e-9) == 2


def test_finger_that_is_too_short_is_stretched():
    places = bent_finger(np.zeros(3), np.array([0, 0, 0.2]), np.array([0.05, 0.03, 0.02]), np.array([1.0, 0, 0]))
    lengths = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert np.allclose(places[3], [0, 0, 0.2])
    assert lengths[0] / lengths[2] == pytest.approx(2.5) and lengths.sum() > 0.2


@pytest.mark.parametrize("opening", [-0.01, LARGEST_OPENING_M + 0.01, np.nan])
def test_openings_that_no_hand_has_are_refused(made, opening):
    with pytest.raises(ValueError, match="opening of 0 to"):
        made(opening)
