"""Names of objects as parts of topics and frames."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_tracker_ros.nodes.object_names import named_objects, ros_name


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


def folder_of(parent, name, folder=None):
    """A folder of an object of that name; none of these tests reads the mesh."""
    path = parent / (folder or name)
    path.mkdir()
    (path / "object.yaml").write_text(f"name: {name!r}\nmesh: mesh.ply\n")
    return str(path)


def test_objects_of_a_kind_are_numbered(tmp_path):
    cup = folder_of(tmp_path, "006_cup", "cup")
    found = named_objects(["cube", cup, " cube ", "", "cube", f"{cup}#4", cup])
    assert [(one.name, one.topic) for one in found] == [
        ("cube", "cube"),
        ("006_cup", "object_006_cup"),
        ("cube#2", "cube_2"),
        ("cube#3", "cube_3"),
        ("006_cup#4", "object_006_cup_4"),
        ("006_cup#2", "object_006_cup_2"),
    ]
    assert {str(one.folder) for one in found if "cup" in one.name} == {cup}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("my-cup", "my_cup"), "'my-cup' and 'my_cup', which would both be 'my_cup'"),
        (("cup", "cup", "cup_2"), "'cup#2' and 'cup_2', which would both be 'cup_2'"),
        (("", "  "), "at least one object, got none"),
        (("teapot",), "known are: .*cube"),
    ],
)
def test_names_that_cannot_be_topics_are_refused(tmp_path, names, said):
    known = {name: folder_of(tmp_path, name) for name in {*names} if name not in ("", "  ", "teapot")}
    with pytest.raises((ValueError, OSError), match=said):
        named_objects([known.get(name, name) for name in names])


def test_two_objects_of_one_name_are_no_instances(tmp_path):
    folders = [folder_of(tmp_path, "cup", folder) for folder in ("one", "other")]
    with pytest.raises(ValueError, match="different names, got 'cup' in .*one and in .*other"):
        named_objects(folders)
