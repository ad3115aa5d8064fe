"""Scenes in a folder: what was written is what is read, and what was interrupted goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from dataset_layouts import pose_of

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import DatasetError, Frame, FrameSequence, IndexedSequence, open_sequence
from pose_tracker_ros.datasets.bop import BopSequence
from pose_tracker_ros.datasets.bop_writer import write_bop
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.simulation.config import BoardConfig, CameraConfig, ObjectConfig, SceneConfig
from pose_tracker_ros.simulation.folder import prerender
from pose_tracker_ros.simulation.scene import SceneSequence

SMALL = PinholeCamera(160, 120, 153.75, 153.75, 79.5, 59.5)
SCENE = SceneConfig(
    frames=5,
    blank_first_frame=3,
    blank_frames=1,
    objects=(
        ObjectConfig(model="carton", path="rest"),
        ObjectConfig(model="bowl", offset_x=0.15, path="rest"),
        ObjectConfig(model="bracket", name="my bracket", offset_x=-0.15, path="rest"),
    ),
    boards=(BoardConfig(first_frame=1, frames=2, slide_frames=0, share=0.5),),
    camera=CameraConfig(path="handheld"),
)


def open_small(config: SceneConfig = SCENE) -> SceneSequence:
    """The scene in small images."""
    return SceneSequence(config, {model.name: model for model in benchmark_objects()}, camera=SMALL)


@pytest.fixture(scope="module")
def scene():
    return open_small()


@pytest.fixture(scope="module")
def written(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "one"
    assert list(prerender(scene, folder)) == [0, 1, 2, 3, 4]
    return folder


@pytest.fixture(scope="module")
def read(written):
    sequence = open_sequence(written)
    assert isinstance(sequence, BopSequence)
    return sequence


def test_frames_are_read_as_they_were(scene, read):
    assert len(read) == len(scene)
    for was, now in zip(scene, read):
        assert (now.index, now.stamp) == (was.index, pytest.approx(was.stamp))
        np.testing.assert_array_equal(now.color, was.color)
        np.testing.assert_allclose(now.depth, was.depth, rtol=0, atol=0.501e-4)
        np.testing.assert_array_equal(now.depth > 0, was.depth > 0)
        assert now.camera == was.camera
        np.testing.assert_allclose(now.world_T_camera, was.world_T_camera, atol=1e-12)
        assert list(now.truth) == list(was.truth) == ["carton", "bowl", "my bracket"]
        for name, pose in was.truth.items():
            np.testing.assert_allclose(now.truth[name], pose, atol=1e-12)
            assert now.visibility[name] == was.visibility[name]
            np.testing.assert_array_equal(now.masks[name], was.masks.get(name, np.zeros(was.depth.shape, bool)))


def test_the_board_hides_and_the_blackout_is_blank(read):
    frames = list(read)
    assert frames[1].visibility["carton"] == pytest.approx(0.5, abs=0.05)
    assert not frames[3].depth.any() and not frames[3].masks["carton"].any()


def test_models_are_read_as_they_were(scene, read):
    kinds = set()
    for name, was in scene.objects.items():
        now = read.load_model(name)
        assert now.diameter_m == pytest.approx(was.diameter_m, rel=1e-12)
        corners, expected = now.mesh.vertices[now.mesh.faces], was.mesh.vertices[was.mesh.faces]
        np.testing.assert_allclose(corners, expected, rtol=0, atol=1e-7)
        np.testing.assert_allclose(now.mesh.normals[now.mesh.faces], was.mesh.normals[was.mesh.faces], atol=1e-3)
        if was.mesh.texture is not None:
            np.testing.assert_array_equal(now.mesh.texture, was.mesh.texture)
            np.testing.assert_allclose(now.mesh.uv[now.mesh.faces], was.mesh.uv[was.mesh.faces], atol=1e-6)
            kinds.add("texture")
        elif was.mesh.vertex_colors is not None:
            colors = now.mesh.vertex_colors[now.mesh.faces]
            np.testing.assert_array_equal(colors, was.mesh.vertex_colors[was.mesh.faces])
            kinds.add("colours")
        else:
            assert not now.mesh.has_color
            kinds.add("nothing")
    assert kinds == {"texture", "colours", "nothing"}


def test_symmetries_are_read_as_they_were(tmp_path, scene):
    turn = np.diag([-1.0, -1, 1, 1])
    turn[0, 3] = 0.007
    bowl = replace(scene.objects["bowl"], discrete_symmetries=turn[None])
    one = SceneSequence(replace(SCENE, frames=1, objects=(ObjectConfig(model="bowl"),)), {"bowl": bowl}, camera=SMALL)
    list(prerender(one, tmp_path / "one"))
    now = BopSequence(tmp_path / "one").load_model("bowl")
    np.testing.assert_allclose(now.discrete_symmetries, turn[None], atol=1e-15)
    (axis,), (expected,) = now.continuous_symmetries, bowl.continuous_symmetries
    np.testing.assert_allclose(axis.axis, expected.axis)
    np.testing.assert_allclose(axis.offset, expected.offset)


def test_what_is_visible_is_counted_and_boxed(written):
    info = json.loads((written / "test/000000/scene_gt_info.json").read_text())
    assert list(info) == ["0", "1", "2", "3", "4"]
    mask = BopSequence(written).read(0).masks["bowl"]
    rows, columns = np.nonzero(mask)
    box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert info["0"][1]["bbox_visib"] == box
    assert info["0"][1]["px_count_visib"] == mask.sum()
    assert info["3"][1]["bbox_visib"] == [-1, -1, -1, -1]


def file_times(folder):
    """When the files of a folder were written, nanoseconds."""
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*.png") if "test" in path.parts}


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


def test_what_was_interrupted_goes_on(tmp_path, written, monkeypatch):
    folder = tmp_path / "one"
    interrupted = open_small()
    read = interrupted.read

    def read_three(position):
        if position == 3:
            raise Interrupted
        return read(position)

    monkeypatch.setattr(interrupted, "read", read_three)
    with pytest.raises(Interrupted):
        list(prerender(interrupted, folder))
    with pytest.raises(DatasetError, match="expected the whole scene .* run pose-tracker simulate again"):
        open_sequence(folder)
    lines = folder / "test/000000/frames.jsonl"
    # The last line was cut short.
    lines.write_text(lines.read_text()[:-20])
    assert not BopSequence.fits(folder)
    before = file_times(folder)
    assert list(prerender(open_small(), folder)) == [0, 1, 2, 3, 4]
    after = file_times(folder)
    kept = {path for path in before if before[path] == after[path]}
    assert {path.stem[:6] for path in kept} == {"000000", "000001"}
    files = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()) == files
    assert all((folder / path).read_bytes() == (written / path).read_bytes() for path in files)


def test_a_finished_scene_is_not_written_again(written, scene):
    before = file_times(written)
    assert list(prerender(scene, written)) == [0, 1, 2, 3, 4]
    assert file_times(written) == before


def test_a_folder_with_something_else_is_refused(tmp_path, written):
    with pytest.raises(ValueError, match="expected the same scene in .*scene.yaml has other values of seed, boards"):
        next(prerender(open_small(replace(SCENE, seed=1, boards=())), written))
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        next(prerender(open_small(), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


class Frames(IndexedSequence):
    """Given frames as a sequence."""

    def __init__(self, frames):
        super().__init__("frames", 30.0)
        self.frames = frames

    def __len__(self):
        return len(self.frames)

    def read(self, position):
        return self.frames[position]

    def annotation(self, position):
        raise NotImplementedError

    def annotations(self):
        return iter(self.frames)


def test_a_data_set_of_others_is_written_with_its_instances(tmp_path, bop_scene):
    was = BopSequence(bop_scene)
    assert list(write_bop(was, tmp_path / "copy")) == [3, 4, 5]
    now = BopSequence(tmp_path / "copy")
    assert now.indices == was.indices and now.object_names == was.object_names
    for one, other in zip(was, now):
        assert {name: mask.sum() for name, mask in one.masks.items()} == {n: m.sum() for n, m in other.masks.items()}
        for name, pose in one.truth.items():
            np.testing.assert_allclose(other.truth[name], pose, atol=1e-12)
        assert other.world_T_camera is None and not other.visibility
    np.testing.assert_allclose(
        now.load_model("box").discrete_symmetries, was.load_model("box").discrete_symmetries, atol=1e-12
    )


def frame_of(depth_m=1.0, **fields):
    """A frame of one grey image and one depth."""
    shape = (SMALL.height, SMALL.width)
    color, depth = np.zeros((*shape, 3), np.uint8), np.full(shape, depth_m, np.float32)
    return Frame(color, depth, SMALL, 0.0, **fields)


def test_depth_beyond_the_fine_units_is_kept_in_coarse_ones(tmp_path):
    frames = [frame_of(6.5534, index=0), frame_of(6.7894, index=1)]
    list(write_bop(Frames(frames), tmp_path, {}))
    near, far = BopSequence(tmp_path)
    np.testing.assert_allclose(near.depth, 6.5534, rtol=1e-6)
    np.testing.assert_allclose(far.depth, 6.789, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"truth": {"cup": pose_of(0)}}, "expected a model of every object of the truth, got bowl but not 'cup'"),
        (
            {
                "truth": {"bowl": pose_of(0), "bowl#2": pose_of(1)},
                "masks": {"bowl": np.ones((SMALL.height, SMALL.width), bool)},
            },
            "visible masks of all objects of frame 0 or of none, got none of bowl#2",
        ),
        ({"depth_camera": SMALL, "color_T_depth": pose_of(0)}, "expected depth registered .* for a BOP data set"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(tmp_path, scene, fields, message):
    sequence: FrameSequence = Frames([frame_of(**fields)])
    with pytest.raises(ValueError, match=message):
        list(write_bop(sequence, tmp_path, {"bowl": scene.objects["bowl"]}))
