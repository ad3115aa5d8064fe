"""Polygons with notches, holes and thousands of corners keep their area, in every format that has polygons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_tracker_ros.mesh_files.polygons import triangulated
from pose_tracker_ros.objects import load_mesh

CHANNEL = np.array([(0, 0), (80, 0), (80, 60), (60, 60), (60, 20), (20, 20), (20, 60), (0, 60)], float)
ARROW = np.array([(0, 0), (60, 30), (0, 60), (20, 30)], float)
PLATE_WITH_HOLE = np.array(
    [(0, 0), (90, 0), (90, 90), (0, 90), (0, 0), (30, 30), (30, 60), (60, 60), (60, 30), (30, 30)], float
)
GEAR = np.array(
    [((40 if k % 4 < 2 else 30) * np.cos(k * np.pi / 40), (40 if k % 4 < 2 else 30) * np.sin(k * np.pi / 40)) for k in range(80)]
)
OUTLINES = {"channel": CHANNEL, "arrow": ARROW, "plate with a hole": PLATE_WITH_HOLE, "gear": GEAR}


def shoelace(outline):
    after = np.roll(outline, -1, axis=0)
    return abs((outline[:, 0] * after[:, 1] - after[:, 0] * outline[:, 1]).sum()) / 2


def profile(outline, height=40.0):
    """Vertices and polygons of a body with an outline; its surface."""
    n = len(outline)
    vertices = np.vstack([np.column_stack([outline, np.full(n, z)]) for z in (0.0, height)])
    polygons = [list(range(n, 2 * n)), list(range(n - 1, -1, -1))]
    polygons += [[k, (k + 1) % n, n + (k + 1) % n, n + k] for k in range(n)]
    sides = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1).sum() * height
    return vertices, polygons, 2 * shoelace(outline) + sides


def write(path, vertices, polygons):
    rows = [" ".join(f"{value:.9g}" for value in vertex) for vertex in vertices]
    lists = [" ".join(map(str, [len(polygon), *polygon])) for polygon in polygons]
    if path.suffix == ".obj":
        path.write_text("\n".join([f"v {row}" for row in rows] + ["f " + " ".join(str(k + 1) for k in p) for p in polygons]))
    elif path.suffix == ".off":
        path.write_text("\n".join(["OFF", f"{len(rows)} {len(lists)} 0", *rows, *lists]))
    else:
        binary = "binary" in path.name
        head = ["ply", f"format {'binary_big_endian' if binary else 'ascii'} 1.0", f"element vertex {len(rows)}"]
        head += [f"property double {axis}" for axis in "xyz"]
        head += [f"element face {len(lists)}", "property list uchar int vertex_indices", "end_header", ""]
        body = "\n".join(rows + lists).encode()
        if binary:
            body = np.asarray(vertices, ">f8").tobytes()
            body += b"".join(bytes([len(p)]) + np.asarray(p, ">i4").tobytes() for p in polygons)
        path.write_bytes("\n".join(head).encode() + body)
    return path


@pytest.mark.parametrize("name", ["part.obj", "part.ply", "binary.ply", "part.off"])
@pytest.mark.parametrize("outline", OUTLINES)
def test_bodies_have_the_surface_of_their_outline(tmp_path, name, outline):
    vertices, polygons, surface = profile(OUTLINES[outline])
    mesh = load_mesh(write(tmp_path / name, vertices, polygons), "mm")
    corners = mesh.vertices[mesh.faces].astype(np.float64) * 1e3
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.linalg.norm(cross, axis=1).sum() / 2 == pytest.approx(surface, rel=1e-5)
    # Closed, and outwards as the polygons were.
    assert cross.sum(axis=0) == pytest.approx([0, 0, 0], abs=0.1)
    assert np.einsum("fi,fi->", corners.mean(axis=1), cross) > 0


@given(st.integers(4, 40), st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_star_shaped_polygons_in_any_plane_keep_their_area(corners, seed, depth):
    random = np.random.default_rng(seed)
    angles = (np.arange(corners) + random.uniform(0, 0.8, corners)) * 2 * np.pi / corners
    outline = np.column_stack([np.cos(angles), np.sin(angles)]) * random.uniform(depth, 1, corners)[:, None]
    axes = np.linalg.qr(random.normal(size=(3, 3)))[0]
    positions = outline @ axes[:2] + random.normal(size=3)
    triangles = positions[triangulated(positions, np.array([corners])).corners]
    areas = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1) / 2
    assert areas.sum() == pytest.approx(shoelace(outline), rel=1e-6)


def test_bent_quads_are_taken_and_crossing_ones_are_refused():
    bent = np.array([(0, 0, 0), (1, 0, 0.1), (1, 1, 0), (0, 1, 0.1)], float)
    assert len(triangulated(bent, np.array([4])).corners) == 2
    crossing = np.array([(0, 0, 0), (1, 1, 0), (1, 0, 0), (0, 2, 0)], float)
    with pytest.raises(ValueError, match="polygon 1 of 4 corners crosses itself.*triangulate"):
        triangulated(crossing, np.array([4]))


def test_polygons_of_one_and_two_corners_are_left_out():
    assert len(triangulated(np.zeros((3, 3)), np.array([1, 2])).corners) == 0
