"""Faults of cameras that are made on purpose are found, each in its line, and a good camera has none."""

from dataclasses import replace

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation.camera_findings import CameraSeen, StreamSeen, camera_findings, shift_finding
from pose_tracker_ros.evaluation.findings import Verdict
from pose_tracker_ros.evaluation.machine_findings import machine_findings, shared_memory_finding
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.intrinsics import Calibration

CAMERA = PinholeCamera(64, 48, 60.0, 60.0, 31.5, 23.5)
K = tuple(CAMERA.matrix.ravel())
LIMITS = (0.1, 4.0)


def stream(name, topic, rate=30.0, count=90, late=0.01, lost=(), **fields):
    stamps = [100 + number / rate for number in range(count) if number not in lost]
    values = {
        "kind": "sensor_msgs/msg/Image", "encoding": "rgb8", "size": (64, 48), "frame_id": "camera", "publishers": ("/camera: reliable, volatile",),
        "stamps": stamps, "arrivals": [stamp + late for stamp in stamps],
    }  # fmt: skip
    return StreamSeen(name, topic, **{**values, **fields})


def frame(depth=0.8, holes=0.1, **fields):
    pixels = np.full((48, 64), depth, np.float32)
    pixels[: int(48 * holes)] = 0
    return Frame(np.zeros((48, 64, 3), np.uint8), pixels, CAMERA, 0.0, **fields)


def seen(**fields):
    values = {
        "color": stream("colour", "/camera/color/image_raw"),
        "depth": stream("depth", "/camera/aligned_depth_to_color/image_raw", encoding="16UC1"),
        "calibration": Calibration(64, 48, K, (0.0,) * 5),
        "frames": [frame()],
        "pairs": 90,
    }
    return CameraSeen(**{**values, **fields})


def not_good(camera):
    return {one.what: one for one in camera_findings(camera, LIMITS) if one.verdict is not Verdict.GOOD}


def test_a_good_camera_is_good():
    findings = camera_findings(seen(), LIMITS)
    assert all(one.verdict is Verdict.GOOD and one.advice == "" for one in findings)
    assert {"colour", "depth", "colour rate", "depth stamps", "colour QoS", "CameraInfo", "pairing", "registration", "depth unit", "depth holes"} <= {
        one.what for one in findings
    }


@pytest.mark.parametrize(
    ("fields", "what", "words"),
    [
        ({"depth": StreamSeen("depth", "/d", problem="nobody publishes there")}, "depth", "nobody publishes there"),
        ({"color": stream("colour", "/c", frame_id="")}, "colour", "no frame"),
        ({"color": stream("colour", "/c", frame_id="/camera")}, "colour", "/camera"),
        ({"color": stream("colour", "/c", lost=range(20, 40))}, "colour rate", "20 of 90 lost"),
        ({"color": stream("colour", "/c", rate=5.0, count=15), "depth": stream("depth", "/d", rate=5.0, count=15)}, "colour rate", "5.0 Hz"),
        ({"color": stream("colour", "/c", late=0.4)}, "colour stamps", "400 ms old"),
        ({"color": stream("colour", "/c", late=-3.0)}, "colour stamps", "-3000 ms"),
        ({"depth": stream("depth", "/d", stamps=[0.0] * 9, arrivals=[5.0] * 9)}, "depth stamps", "all zero"),
        ({"color": stream("colour", "/c", publishers=("/a: reliable", "/b: reliable"))}, "colour QoS", "/b"),
        ({"calibration": None}, "CameraInfo", "none"),
        ({"calibration": Calibration(64, 48, (0.0,) * 9)}, "CameraInfo", "64x48"),
        ({"calibration": Calibration(64, 48, K, (-0.2, 0.1, 0, 0, 0))}, "CameraInfo", "plumb_bob -0.2 0.1"),
        ({"depth": stream("depth", "/d", stamps=[100.015 + n / 30 for n in range(90)])}, "pairing", "15.0 ms"),
        ({"faults": {"expected depth of the colour image's size": 7}}, "frames", "expected depth"),
        ({"frames": [frame(depth=0.02)]}, "depth unit", "0.02 m"),
        ({"frames": [frame(holes=0.8)]}, "depth holes", "83 %"),
        ({"frames": [frame(depth=0.08)]}, "depth limits", "100 %"),
        ({"frames": [frame(depth=6.0)]}, "depth limits", "100 %"),
        ({"frames": [frame(holes=1.0)]}, "depth", "nowhere"),
    ],
)
def test_every_fault_has_its_line_and_what_to_do(fields, what, words):
    faults = not_good(seen(**fields))
    assert what in faults and words in faults[what].found
    assert faults[what].advice


def test_depth_cameras_of_their_own_are_described():
    apart = np.eye(4)
    apart[0, 3] = 0.055
    other = replace(CAMERA, fx=50.0)
    found = {one.what: one for one in camera_findings(seen(frames=[frame(depth_camera=other, color_T_depth=apart)]), LIMITS)}
    assert "55.0 mm away" in found["registration"].found and found["registration"].verdict is Verdict.GOOD
    # Registered depth whose driver names the depth camera's frame looks like this.
    doubtful = not_good(seen(frames=[frame(depth_camera=CAMERA, color_T_depth=apart)]))
    assert "depth_camera:=registered" in doubtful["registration"].advice


def test_without_depth_nothing_is_said_of_it():
    lines = {one.what for one in camera_findings(seen(depth=StreamSeen("depth", ""), frames=[frame(holes=1.0)]), LIMITS)}
    assert "colour" in lines and not any("depth" in line for line in lines)


def test_shift_of_colour_against_depth():
    assert shift_finding([], [], "cube").verdict is Verdict.LOOK
    good = shift_finding([np.array([0.4, -0.2])] * 3, [0.001] * 3, "cube")
    assert good.verdict is Verdict.GOOD and "+0.4 -0.2 px" in good.found and "+1.0 mm" in good.found
    assert shift_finding([np.array([5.0, 0.0])] * 3, [0.0] * 3, "cube").verdict is Verdict.LOOK


def test_the_machine_is_looked_at(monkeypatch, tmp_path):
    lines = {one.what for one in machine_findings()}
    assert lines == {"shared memory", "kernel cache", "GPU", "NumPy, OpenCV"}
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(tmp_path / "none.xml"))
    assert shared_memory_finding().verdict is Verdict.BAD
