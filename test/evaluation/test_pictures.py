"""Overlays, videos, plots and the HTML page: what can be checked without eyes."""

import re
import subprocess

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.evaluation.html_report import worst_frames, write_html
from pose_tracker_ros.evaluation.overlay import draw_overlay
from pose_tracker_ros.evaluation.plots import save_figures, track_figures
from pose_tracker_ros.evaluation.protocol import ScoredObject, evaluate_track, summarize_by_object
from pose_tracker_ros.evaluation.published import load_published
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.evaluation.video import video_writer, write_overlay_video
from pose_tracker_ros.rendering import Rendering, create_renderer

CAMERA = PinholeCamera(160, 120, 150.0, 150.0, 79.5, 59.5)


def rendering_of(rows, columns):
    mask = np.zeros((120, 160), bool)
    mask[rows, columns] = True
    normal = np.zeros((120, 160, 3), np.float32)
    normal[mask] = (0, 0, -1)
    color = np.where(mask[..., None], np.uint8(250), np.uint8(0)).repeat(3, axis=2)
    return Rendering(color, mask.astype(np.float32), normal, mask)


def pose_at(x, y, z):
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def test_overlay_changes_the_object_and_leaves_the_rest():
    image = np.full((120, 160, 3), 40, np.uint8)
    drawn = draw_overlay(image, rendering_of(slice(70, 110), slice(20, 60)), CAMERA, pose_at(5, 5, 1), 0.1)
    assert (image == 40).all(), "the input is not drawn on"
    assert drawn.dtype == np.uint8 and (drawn[75:105, 25:55] != 40).any(axis=2).all()
    untouched = drawn.copy()
    untouched[66:114, 16:64] = 40
    assert (untouched == 40).all()
    green = drawn[70, 30].astype(int)
    assert green[1] > green[0] + 50 and green[1] > green[2] + 50, "the contour is green"


def test_axes_start_at_the_object_origin_and_have_their_colours():
    image = np.zeros((120, 160, 3), np.uint8)
    nothing = rendering_of(slice(0, 0), slice(0, 0))
    drawn = draw_overlay(image, nothing, CAMERA, pose_at(0, 0, 1), 0.2).astype(int)
    # Half a diameter of 20 cm at 1 m is 15 pixels: x to the right in red, y downwards in green.
    assert drawn[59:61, 90].max(axis=0)[0] > 200 and drawn[59:61, 90].max(axis=0)[1] < 100
    assert drawn[70, 79:81].max(axis=0)[1] > 150 and drawn[70, 79:81].max(axis=0)[0] < 100
    assert drawn[:, 97:].max() == 0


@pytest.mark.parametrize("place", [(0, 0, -1), (0, 0, 0), (100, 0, 0.001), (0, 0, 0.05)])
def test_poses_behind_or_at_the_camera_are_drawn_without_error(place):
    image = np.zeros((120, 160, 3), np.uint8)
    assert (
        draw_overlay(image, rendering_of(slice(0, 0), slice(0, 0)), CAMERA, pose_at(*place), 0.2).shape == image.shape
    )


def test_object_at_the_border_and_text_and_wrong_size():
    image = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_overlay(
        image, rendering_of(slice(100, 120), slice(150, 160)), CAMERA, pose_at(0, 0, 1), 0.1, ["score"]
    )
    assert drawn[115, 155].any() and drawn[:20, :60].max() > 200
    with pytest.raises(ValueError, match="rendering of 80x60"):
        draw_overlay(image[:60, :80], rendering_of(slice(0, 9), slice(0, 9)), CAMERA, pose_at(0, 0, 1), 0.1)


def test_video_is_h264_and_holds_the_frames(tmp_path):
    path = tmp_path / "a.mp4"
    with video_writer(path, 10) as write:
        for level in (20, 120, 220):
            write(np.full((49, 65, 3), (level, 10, 10), np.uint8))
    about = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True).stderr
    assert "Video: h264" in about and "yuv420p" in about and "66x50" in about and "10 fps" in about
    reader = imageio_ffmpeg.read_frames(str(path))
    next(reader)
    frames = [np.frombuffer(data, np.uint8).reshape(50, 66, 3) for data in reader]
    np.testing.assert_allclose([frame[..., 0].mean() for frame in frames], [20, 120, 220], atol=8)


def test_video_refuses_images_of_another_size(tmp_path):
    with pytest.raises(ValueError, match="as the first"), video_writer(tmp_path / "a.mp4", 10) as write:
        write(np.zeros((48, 64, 3), np.uint8))
        write(np.zeros((48, 62, 3), np.uint8))


@pytest.fixture
def scored_box(bop_scene):
    """A box in three frames: found, 30 mm off, lost."""
    sequence = open_sequence(bop_scene)
    model = sequence.load_model("box")
    found = []
    for annotation, shift in zip(sequence.annotations(), (0, 0.03, None)):
        pose = None if shift is None else annotation.truth["box"].copy()
        if shift:
            pose[1, 3] += shift
        found.append(PoseEstimate(annotation.stamp, annotation.index, pose, latency_ms=5.0))
    track = evaluate_track(found, sequence.annotations(), ScoredObject.from_model(model), sequence_name=sequence.name)
    return sequence, model, found, track


def test_overlay_video_of_a_sequence_with_a_lost_frame(tmp_path, scored_box):
    sequence, model, found, _ = scored_box
    renderer = create_renderer("raycast", model.mesh)
    write_overlay_video(tmp_path / "v.mp4", sequence, found, renderer, model.diameter_m, sequence.rate_hz)
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "v.mp4"))[0] == 3


def test_figures_are_written(tmp_path, scored_box):
    paths = save_figures(track_figures([scored_box[3]]), tmp_path)
    assert [path.name for path in paths] == ["accuracy.png", "errors_000007_box.png"]
    for path in paths:
        image = cv2.imread(str(path))
        assert image is not None and image.std() > 5


def test_page_is_self_contained_and_says_the_numbers(tmp_path, scored_box):
    sequence, model, _, track = scored_box
    worst = worst_frames(track, sequence, create_renderer("raycast", model.mesh), count=1)
    # The box has a symmetry, so that its worst frame is found and told by ADD-S; the lost frame has no pose to show.
    assert len(worst) == 1 and re.fullmatch(r"000007 frame 4: ADD-S \d+\.\d mm, 0\.0 deg", worst[0].caption)
    rows = summarize_by_object([track])
    published = load_published()["ycbineoat"]
    write_html(tmp_path / "r.html", "A <title>", rows, track_figures([track]), worst, published)
    page = (tmp_path / "r.html").read_text()
    assert "A &lt;title&gt;" in page and "92.66 / 95.53" in page and "2007.13866" in page
    assert f"{rows[0].add_auc * 100:.2f} / {rows[0].adds_auc * 100:.2f}" in page, "ours beside them"
    assert len(re.findall(r'src="data:image/(?:png|jpeg);base64,', page)) == 3
    assert not re.search(r'(?:src|href)="(?!data:)', page), "nothing is loaded from elsewhere"
