"""Poses beside the images: a square that faces the camera, whose outline and depth are known pixel by pixel."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
from shapes import square

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.evaluation.agreement_report import (
    OUTLINE_COLOR,
    agreement_notes,
    worst_agreement_sheet,
    write_agreement_csv,
)
from pose_tracker_ros.evaluation.image_agreement import OutlineJudge, find_outlines, judge_track, read_outline
from pose_tracker_ros.evaluation.overlay import CONTOUR_COLOR
from pose_tracker_ros.evaluation.trajectory import PoseEstimate, read_trajectory
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.rendering import create_renderer

# The square is 0.5 m away and covers columns 30 to 49 and rows 20 to 39.
CAMERA = PinholeCamera(80, 60, 100.0, 100.0, 39.5, 29.5)
POSE = np.eye(4)
POSE[2, 3] = 0.5
DEPTH_M = np.float32(0.5)


class Video(list):
    """Frames as a sequence."""

    name = "video"


def frame_of(index=0, depth=None):
    color = np.full((60, 80, 3), 90, np.uint8)
    return Frame(color, np.full((60, 80), DEPTH_M) if depth is None else depth.astype(np.float32), CAMERA, 0.0, index)


def write_outline(folder, index, dx=0, dy=0, not_judged=np.s_[:0, :0]):
    image = np.zeros((60, 80), np.uint8)
    image[20 + dy : 40 + dy, 30 + dx : 50 + dx] = 255
    image[not_judged] = 128
    cv2.imwrite(str(folder / f"{index:06d}.png"), image)


@pytest.fixture(scope="module")
def renderer():
    return create_renderer("raycast", square(0.1))


@pytest.fixture
def judged(tmp_path, renderer):
    """What is said of one frame: ``judged(estimate, frame, color_shift=...)``."""

    def judge(estimate, frame, color_shift=(0.0, 0.0)):
        return OutlineJudge(find_outlines(tmp_path), renderer, color_shift).judge(frame, estimate)

    return judge


def test_overlap_and_shift_of_a_moved_outline(tmp_path, judged):
    write_outline(tmp_path, 0, dx=3, dy=-1)
    said = judged(PoseEstimate(0, 0, POSE), frame_of())
    both = 17 * 19
    assert said.overlap == pytest.approx(both / (800 - both))
    assert (said.shift_dx, said.shift_dy) == (3.0, -1.0)
    moved = judged(PoseEstimate(0, 0, POSE), frame_of(), color_shift=(3.0, -1.0))
    assert moved.overlap == 1.0 and moved.shift_px == 0.0


def test_half_pixels_are_told(tmp_path):
    """A drawing of 21 x 21 pixels, 30 to 50 and 20 to 40: its middle is half a pixel right of and below the outline's."""
    write_outline(tmp_path, 0)
    pose = POSE.copy()
    pose[:2, 3] = 0.25 * DEPTH_M / CAMERA.fx
    judge = OutlineJudge(find_outlines(tmp_path), create_renderer("raycast", square(0.105)))
    said = judge.judge(frame_of(), PoseEstimate(0, 0, pose))
    assert said.overlap == pytest.approx(400 / 441)
    assert (said.shift_dx, said.shift_dy) == (-0.5, -0.5)


@pytest.mark.parametrize("farther", [-0.04, 0.0, 0.05])
def test_the_size_of_an_outline_tells_its_distance(tmp_path, farther):
    """Outline and drawing are those of two distances; the square stands askew, so that its edges cross all parts of pixels."""
    camera = PinholeCamera(200, 200, 400.0, 400.0, 99.5, 99.5)
    renderer = create_renderer("raycast", square(0.25))
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.0, 0.0, 0.4]))[0]
    pose[2, 3] = 1.0
    true = pose.copy()
    true[2, 3] *= 1 + farther
    cv2.imwrite(str(tmp_path / "000000.png"), renderer.render(camera, true).mask.astype(np.uint8) * 255)
    frame = Frame(np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), np.float32), camera, 0.0)
    said = OutlineJudge(find_outlines(tmp_path), renderer).judge(frame, PoseEstimate(0, 0, pose))
    assert said.outline_depth_m == pytest.approx(farther, abs=0.006)


def test_what_is_not_judged_does_not_count(tmp_path, judged):
    write_outline(tmp_path, 0, dx=3, not_judged=np.s_[:, [30, 31, 32, 50, 51, 52]])
    assert judged(PoseEstimate(0, 0, POSE), frame_of()).overlap == 1.0


def test_depth_is_measured_minus_drawn(tmp_path, judged):
    """A camera that reads 2 mm too much, on a quarter of the pixels 6 mm too little, and sees a hand on another quarter."""
    write_outline(tmp_path, 0)
    depth = np.full((60, 80), DEPTH_M + 0.002)
    depth[:30, :40] = DEPTH_M - 0.006
    depth[30:, 40:] = DEPTH_M - 0.1
    said = judged(PoseEstimate(0, 0, POSE), frame_of(depth=depth))
    assert said.depth_m == pytest.approx(0.002, abs=1e-6)
    assert said.absolute_depth_m == pytest.approx(0.002, abs=1e-6)
    said = judged(PoseEstimate(0, 0, POSE, depth_bias_m=0.003), frame_of(depth=depth))
    assert said.depth_m == pytest.approx(-0.001, abs=1e-6)
    assert said.absolute_depth_m == pytest.approx(0.001, abs=1e-6)


def test_the_edge_says_nothing_of_depth(tmp_path, judged):
    write_outline(tmp_path, 0)
    depth = np.full((60, 80), DEPTH_M + 0.05)
    depth[24:36, 34:46] = DEPTH_M
    assert judged(PoseEstimate(0, 0, POSE), frame_of(depth=depth)).absolute_depth_m == pytest.approx(0, abs=1e-6)
    too_few = np.zeros((60, 80))
    too_few[24:31, 34:41] = DEPTH_M
    assert np.isnan(judged(PoseEstimate(0, 0, POSE), frame_of(depth=too_few)).depth_m)


def test_a_stated_shift_says_where_depth_belongs(tmp_path, judged):
    """What colour shows at column x was measured at x - 4; measured depth rises by 1 mm a column."""
    write_outline(tmp_path, 0)
    rising = DEPTH_M + 0.001 * (np.arange(80) + 4 - 39.5)
    frame = frame_of(depth=np.tile(rising, (60, 1)))
    assert judged(PoseEstimate(0, 0, POSE), frame).depth_m == pytest.approx(0.004, abs=1e-6)
    stated = PoseEstimate(0, 0, POSE, color_dx=4.0)
    assert judged(stated, frame).depth_m == pytest.approx(0, abs=1e-6)
    assert judged(stated, frame).overlap == 1.0, "the pose is that in the colour image"


def test_depth_of_another_camera_is_left_out(tmp_path, renderer):
    write_outline(tmp_path, 0)
    frame = replace(frame_of(), depth_camera=CAMERA, color_T_depth=np.eye(4))
    judge = OutlineJudge(find_outlines(tmp_path), renderer)
    agreement = judge_track(judge, [PoseEstimate(0, 0, POSE)], Video([frame]))
    assert np.isnan(agreement.median("depth_m")) and agreement.median("overlap") == 1.0
    assert any("camera of its own" in note for note in agreement_notes(agreement))


def test_a_track_is_judged_where_there_are_outlines(tmp_path, renderer):
    """Frames 1 to 4 with outlines for 2, 3, 4 and 9; frame 4 is lost, what is stated of frame 1 counts."""
    for index, dx in ((2, 2), (3, 4), (4, 0), (9, 0)):
        write_outline(tmp_path, index, dx=dx)
    estimates = [
        PoseEstimate(0, 1, POSE, color_dx=1.5, depth_bias_m=-0.001),
        PoseEstimate(0, 2, POSE),
        PoseEstimate(0, 3, POSE),
        PoseEstimate(0, 4, None),
    ]
    video = Video(frame_of(index) for index in (1, 2, 3, 4))
    judge = OutlineJudge(find_outlines(tmp_path), renderer)
    agreement = judge_track(judge, estimates, video)
    assert [frame.index for frame in agreement.frames] == [2, 3]
    assert agreement.missing == (4,) and agreement.not_in_sequence == (9,)
    assert agreement.median("shift_px") == 3.0 and agreement.median("shift_dx") == 3.0
    np.testing.assert_array_equal(agreement.stated_low, [0, 0, -0.001])
    np.testing.assert_array_equal(agreement.stated_high, [1.5, 0, 0])
    notes = " ".join(agreement_notes(agreement))
    assert "0.00 to 1.50" in notes and "wanders" in notes and "9" in notes
    write_agreement_csv(tmp_path / "a.csv", agreement)
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == ["2", "3", "4"]
    assert float(rows[1]["overlap"]) == pytest.approx(16 / 24, abs=1e-5) and rows[2]["overlap"] == ""
    with pytest.raises(ValueError, match="a pose for some of the 4 frames"):
        judge_track(judge, [PoseEstimate(0, 1, POSE)], video)


@pytest.mark.parametrize(("dx", "doubted"), [(6, False), (8, True), (25, True)])
def test_outlines_of_something_else_are_doubted(tmp_path, renderer, dx, doubted):
    """Of 20 columns 14 are common to both (overlap 0.54), 12 (0.43), or none."""
    write_outline(tmp_path, 0, dx=dx)
    judge = OutlineJudge(find_outlines(tmp_path), renderer)
    notes = agreement_notes(judge_track(judge, [PoseEstimate(0, 0, POSE)], Video([frame_of()])))
    assert any("of this object" in note for note in notes) == doubted


def test_the_picture_shows_the_worst_first(tmp_path, renderer):
    for index, dx in ((0, 1), (1, 6)):
        write_outline(tmp_path, index, dx=dx)
    estimates = [PoseEstimate(0, index, POSE) for index in (0, 1)]
    video = Video(frame_of(index) for index in (0, 1))
    judge = OutlineJudge(find_outlines(tmp_path), renderer)
    sheet = worst_agreement_sheet(judge_track(judge, estimates, video), judge, estimates, video)
    assert sheet.shape == (300, 800, 3) and sheet.dtype == np.uint8

    def columns(tile, color):
        """First column in which an outline has its full height, pixels of the tile."""
        drawn = np.abs(tile.astype(int) - color).max(axis=2) < 60
        return np.flatnonzero(drawn.sum(axis=0) > 100)[0]

    gaps = [columns(tile, OUTLINE_COLOR) - columns(tile, CONTOUR_COLOR) for tile in (sheet[:, :400], sheet[:, 400:])]
    scale = 300 / 20 / 1.3
    assert gaps == [pytest.approx(6 * scale, abs=2), pytest.approx(1 * scale, abs=2)]


def test_bad_outlines_are_named(tmp_path):
    with pytest.raises(DatasetError, match="found none"):
        find_outlines(tmp_path)
    cv2.imwrite(str(tmp_path / "000003.png"), np.full((60, 80), 1, np.uint8))
    (path,) = find_outlines(tmp_path).values()
    with pytest.raises(DatasetError, match="000003.png, got also 1"):
        read_outline(path, (60, 80))
    with pytest.raises(DatasetError, match="80x61 like the sequence's"):
        read_outline(path, (61, 80))
    cv2.imwrite(str(tmp_path / "first.png"), np.zeros((60, 80), np.uint8))
    with pytest.raises(DatasetError, match="first.png"):
        find_outlines(tmp_path)


def test_a_peer_on_real_frames_as_measured_by_another_program(shared_data):
    """M3T's poses of the cube; the figures were made with rendering, search and medians of somebody else's."""
    sequence = open_sequence(shared_data / "rbt" / "test" / "000001")
    judge = OutlineJudge(
        find_outlines(shared_data / "outlines" / "rbt_cube"),
        create_renderer("raycast", sequence.load_model("cube").mesh),
    )
    agreement = judge_track(judge, read_trajectory(shared_data / "m3t_poses" / "rbt_cube.csv"), sequence)
    assert len(agreement.frames) == 15 and not agreement.missing
    assert agreement.median("overlap") == pytest.approx(0.959, abs=6e-4)
    assert agreement.median("shift_px") == pytest.approx(np.sqrt(2), abs=1e-6)
    assert (agreement.median("shift_dx"), agreement.median("shift_dy")) == (1.0, -1.0)
    assert agreement.median("depth_m") == pytest.approx(0.09e-3, abs=6e-6)
    assert agreement.median("absolute_depth_m") == pytest.approx(0.90e-3, abs=6e-6)
