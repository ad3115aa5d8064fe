"""``pose-tracker bench --times``: how long frames take."""

import numpy as np
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.tracking_speed import subdivided
from pose_tracker_ros.objects import load_object


def test_a_subdivided_mesh_is_the_same_surface():
    mesh = load_object("cube").mesh
    fine = subdivided(mesh, 1)
    assert len(fine.faces) == 4 * len(mesh.faces)

    def area(one):
        corners = one.vertices[one.faces]
        return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2

    np.testing.assert_allclose(area(fine), area(mesh), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(fine.normals, axis=1), 1, atol=1e-5)


def test_a_row_for_an_object_for_many_triangles_and_for_several_objects():
    done = CliRunner().invoke(app, ["bench", "bracket", "--times", "--frames", "2"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    rows = {row[0]: row for row in ([cell.strip() for cell in line.split("│")[1:-1]] for line in done.output.splitlines()) if row}
    assert set(rows) == {"bracket", "bracket, subdivided", "2 objects", "5 objects", "10 objects"}
    faces = {name: int(row[1].replace(",", "")) for name, row in rows.items()}
    assert faces["bracket, subdivided"] == 64 * faces["bracket"] and faces["10 objects"] == 10 * faces["bracket"]
    for row in rows.values():
        median, most, longest = map(float, row[4:])
        assert 0 < median <= most <= longest
    assert "load before" in done.output


def test_others_than_the_benchmarks_objects_are_refused():
    done = CliRunner().invoke(app, ["bench", "teapot", "--times"])
    assert done.exit_code == 1 and "teapot" in done.output


def test_so_many_objects_at_once_with_the_network_on_every_frame():
    options = [f"--set={one}" for one in ("network=always", "device=cpu", "runtime=torch", "frame_budget_ms=0")]
    done = CliRunner().invoke(app, ["bench", "demo_jug", "--times", "--count=6", "--frames=2", *options], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    (row,) = ([cell.strip() for cell in line.split("│")[1:-1]] for line in done.output.splitlines() if "6 objects" in line)
    median, _, _, network, inference, passes = map(float, row[4:])
    assert float(row[3]) > 90
    assert 0 < inference < network < median and passes >= 1
