"""object.yaml by the type of its entries, and the limits of what is read."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracker_ros import limits
from pose_tracker_ros.object_description import read_object_description
from pose_tracker_ros.objects import load_object

HALF_TURN = "[-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]"


def described(folder, text):
    (folder / "object.yaml").write_text(text, encoding="utf-8")
    return read_object_description(folder)


@pytest.mark.parametrize("name", ["021", "0x10", "1e3", "yes", "null", "~", "12:30", "1_000", "2024-01-01", ".5", "no", "ä b"])
def test_a_name_is_what_is_written(tmp_path, name):
    assert described(tmp_path, f"name: {name}\nmesh: a.obj\n")["name"] == name


@pytest.mark.parametrize("text", ["\ufeffmesh: a.obj\nbop_id: 5\n", "mesh: a.obj\r\nbop_id: 5.0\r\n", "{mesh: a.obj, bop_id: '5'}"])
def test_numbers_are_numbers_however_they_are_written(tmp_path, text):
    assert described(tmp_path, text)["bop_id"] == 5


def test_numbers_without_a_point_in_the_exponent_are_numbers(tmp_path):
    rows = "[[1, 0, 0, 1e-3], [0, 1, 0, -5e-1], [0, 0, 1, .25], [0, 0, 0, 1]]"
    pose = np.array(described(tmp_path, f"mesh: a.obj\nobject_T_mesh: {rows}\n")["object_T_mesh"])
    assert pose[:3, 3].tolist() == [0.001, -0.5, 0.25]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mesh: [a]\n", "mesh to be a text"),
        ("mesh:\n", "mesh to be a text"),
        ("name: {a: 1}\nmesh: a.obj\n", "name to be a text"),
        (f"name: {'a' * 200}\nmesh: a.obj\n", "at most 100 letters"),
        ("mesh: a.obj\nmesh_unit: 1\n", "mesh_unit to be one of"),
        ("mesh: a.obj\nbop_id: five\n", "bop_id to be a whole number"),
        ("mesh: a.obj\nbop_id: 1.5\n", "bop_id to be a whole number"),
        ("mesh: a.obj\nbop_id: -1\n", "bop_id to be a whole number"),
        ("mesh: a.obj\nobject_T_mesh: [[1, 0, 0, nan], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]\n", "4 rows of 4 numbers"),
        ("mesh: a.obj\nobject_T_mesh: [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]\n", "rigid transform"),
        ("mesh: a.obj\nsymmetries: [1]\n", "symmetries to be a mapping"),
        ("mesh: a.obj\nsymmetries: {turns: []}\n", "keys discrete and continuous"),
        ("mesh: a.obj\nsymmetries: {continuous: [{axis: [0, 0, 0]}]}\n", "axis .* to have a direction"),
        ("mesh: a.obj\nsymmetries: {continuous: [{axis: [0, 0, .nan]}]}\n", "axis of three numbers"),
        ("mesh: a.obj\nsymmetries: {continuous: [{axis: [0, 1]}]}\n", "axis of three numbers"),
        ("mesh: a.obj\nsymmetries: {continuous: [{offset: [0, 0, 1]}]}\n", "with axis"),
        ("mesh: a.obj\nsymmetries: {continuous: [[0, 0, 1]]}\n", "with axis"),
        ("mesh: a.obj\nsymmetries: {discrete: [[2,0,0,0,0,2,0,0,0,0,2,0,0,0,0,1]]}\n", "rigid transforms"),
        ("mesh: a.obj\nsymmetries: {discrete: [[1,0,0,0,0,1,0,0,0,0,-1,0,0,0,0,1]]}\n", "rigid transforms"),
        ("mesh: a.obj\nsymmetries: {discrete: [1, 2]}\n", "rigid transforms"),
        ("a: &a [1]\nmesh: *a\n", "no references"),
        ("mesh: " + "[" * 100 + "]" * 100, "levels of nesting"),
        ("mesh: a.obj\n" + "#" * 2**20, "at most 1,048,576 bytes"),
        ("mesh: !!python/object/apply:os.system ['true']\n", "mesh to be a text"),
        ("mesh: 'a\x00b'\n", "valid YAML"),
    ],
)
def test_wrong_values_are_named(tmp_path, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        described(tmp_path, text)
    assert "object.yaml" in str(caught.value) and len(str(caught.value)) < 1000


def test_symmetries_in_millimetres_are_noticed(tmp_path):
    (tmp_path / "box.obj").write_text(
        "".join(f"v {x} {y} {z}\n" for x in (0, 0.1) for y in (0, 0.1) for z in (0, 0.1))
        + "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"
    )
    half_turn = "[[-1, 0, 0, {0}], [0, -1, 0, {0}], [0, 0, 1, 0], [0, 0, 0, 1]]"
    for moved, right in (("0.1", True), ("100", False)):
        (tmp_path / "object.yaml").write_text(f"mesh: box.obj\nsymmetries: {{discrete: [{half_turn.format(moved)}]}}\n")
        if right:
            assert len(load_object(str(tmp_path)).discrete_symmetries) == 1
        else:
            with pytest.raises(ValueError, match="in metres.*object.yaml"):
                load_object(str(tmp_path))


def test_files_are_measured_before_they_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert limits.read_bytes(tmp_path / "a", 5, "text") == b"12345"
    with pytest.raises(ValueError, match="at most 4 bytes of text in .*a, got 5"):
        limits.read_bytes(tmp_path / "a", 4, "text")
    with pytest.raises(ValueError, match="pixels in it, got 1,000,000,000,000"):
        limits.check_pixels(10**6, 10**6, "it")
