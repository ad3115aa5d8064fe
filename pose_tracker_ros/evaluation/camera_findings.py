"""What a camera's images are like, as far as it matters to tracking: rates, stamps, registration, depth, distortion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pose_tracker_ros.evaluation.findings import Finding, Verdict, judged
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.intrinsics import Calibration, is_named_rectified, is_same_camera

SLOWEST_HZ = 10.0
# Gaps of so many periods are lost images.
GAP_PERIODS = 1.6
MOST_LOST = 0.02
LARGEST_AGE_S = 0.2
# Nearer and farther surfaces than hands and rooms have: another unit than the encoding says.
PLAUSIBLE_DEPTH_M = (0.05, 10.0)
MOST_HOLES, MOST_BEYOND = 0.6, 0.5


@dataclass
class StreamSeen:
    """Messages of one topic, empty where none is looked at: header stamps and times of arrival, both in seconds of the same clock, and what the last one was.

    frame_id: None where nobody says; publishers: who sends and with which quality of service; problem: why nothing comes, where
    that is known.
    """

    name: str
    topic: str
    kind: str = ""
    encoding: str = ""
    size: tuple[int, int] = (0, 0)
    frame_id: str | None = ""
    publishers: tuple[str, ...] = ()
    problem: str = ""
    stamps: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    @property
    def period_s(self) -> float:
        """Median time between stamps, NaN where there are none."""
        gaps = np.diff(sorted(self.stamps))
        return float(np.median(gaps)) if len(gaps) else float("nan")


@dataclass
class CameraSeen:
    """What was seen of a camera; infos: what may be wrong with who publishes CameraInfo; faults: why messages could not be made
    frames, with how often."""

    color: StreamSeen
    depth: StreamSeen
    calibration: Calibration | None = None
    depth_calibration: Calibration | None = None
    infos: list[Finding] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    pairs: int = 0


def camera_findings(seen: CameraSeen, depth_limits_m: tuple[float, float]) -> list[Finding]:
    """All lines about a camera; ``depth_limits_m``: nearest and farthest depth that the tracker takes."""
    findings = []
    for stream in filter(lambda one: one.topic, (seen.color, seen.depth)):
        findings.append(topic_finding(stream))
        if stream.stamps:
            findings += [rate_finding(stream), stamp_finding(stream), *quality_findings(stream)]
    findings += [intrinsics_finding(seen), *seen.infos]
    if seen.color.stamps and seen.depth.stamps:
        findings.append(pairing_finding(seen))
        findings.append(registration_finding(seen))
    findings += [Finding("frames", fault, Verdict.BAD, f"{count} frames are lost by this") for fault, count in seen.faults.items()]
    if seen.depth.topic:
        findings += depth_findings(seen.frames, depth_limits_m)
    return findings


def topic_finding(stream: StreamSeen) -> Finding:
    """Whether it is there, and what it carries."""
    if not stream.stamps:
        advice = "start the camera, name its namespace with --camera, or the topic itself; realsense: align_depth.enable:=true"
        return Finding(stream.name, f"nothing on {stream.topic}{f': {stream.problem}' if stream.problem else ''}", Verdict.BAD, advice)
    found = f"{stream.topic}: {stream.kind.split('/')[-1]} {stream.encoding} {stream.size[0]}x{stream.size[1]}"
    if stream.frame_id is None:
        return Finding(stream.name, found)
    found += f", {stream.frame_id or 'no frame'}"
    unnamed = "set frame_id in the driver, or camera_frame of the node: without it there is no TF"
    slashed = "the slash is left out: set frame_id without it"
    return judged(
        stream.name,
        found,
        [(not stream.frame_id, Verdict.LOOK, unnamed), (stream.frame_id.startswith("/"), Verdict.LOOK, slashed)],
    )


def rate_finding(stream: StreamSeen) -> Finding:
    """How often, and how many are missing in between."""
    period, gaps = stream.period_s, np.diff(sorted(stream.stamps))
    if not period > 0:
        return Finding(f"{stream.name} rate", f"{len(stream.stamps)} images", Verdict.LOOK, "a rate needs stamps that grow")
    lost = int(np.sum(np.round(gaps[gaps > GAP_PERIODS * period] / period) - 1))
    share = lost / (lost + len(stream.stamps))
    found = f"{1 / period:.1f} Hz, longest gap {gaps.max() * 1e3:.0f} ms, {lost} of {lost + len(stream.stamps)} lost"
    slow = f"below {SLOWEST_HZ:.0f} Hz objects move far between images: raise the camera's rate"
    losing = "give DDS shared memory (config/fastdds.xml), the network its bandwidth, or set reliable where the camera is"
    return judged(
        f"{stream.name} rate", found, [(share > MOST_LOST, Verdict.BAD, losing), (1 / period < SLOWEST_HZ, Verdict.LOOK, slow)]
    )


def stamp_finding(stream: StreamSeen) -> Finding:
    """Whether stamps are times of the clock that the node has."""
    stamps = np.array(stream.stamps)
    if not stamps.any():
        return Finding(
            f"{stream.name} stamps", "all zero", Verdict.BAD, "let the driver stamp its images: pairing and motion need times"
        )
    backwards = int(np.sum(np.diff(stamps) < 0))
    if not stream.arrivals:
        return judged(
            f"{stream.name} stamps", f"{backwards} out of order", [(backwards > 0, Verdict.LOOK, "record again, or sort the bag by stamps")]
        )
    age = float(np.median(np.array(stream.arrivals) - stamps))
    found = f"{age * 1e3:.0f} ms old when they come, {backwards} out of order"
    clocks = "clocks differ: synchronise them (chrony, PTP), or use_sim_time:=true for a bag"
    late = "images come late: compress less, use shared memory, or lower the resolution"
    return judged(
        f"{stream.name} stamps",
        found,
        [
            (age < -0.005 or age > 5.0, Verdict.BAD, clocks),
            (age > LARGEST_AGE_S, Verdict.LOOK, late),
            (backwards > 0, Verdict.LOOK, "two publishers, or a bag in a loop?"),
        ],
    )


def quality_findings(stream: StreamSeen) -> list[Finding]:
    """Who publishes, and how."""
    if not stream.publishers:
        return []
    many = "stop all but one: their images are mixed"
    return [judged(f"{stream.name} QoS", "; ".join(stream.publishers), [(len(stream.publishers) > 1, Verdict.BAD, many)])]


def intrinsics_finding(seen: CameraSeen) -> Finding:
    """What CameraInfo says of lens and matrix."""
    calibration = seen.calibration
    if calibration is None:
        return Finding("CameraInfo", "none", Verdict.BAD, "publish it with the images, or remap ~/color/camera_info")
    empty = not calibration.k[0] > 0 and calibration.has_projection
    matrix = calibration.p[:3] + calibration.p[4:7] if empty else calibration.k
    found = f"{calibration.width}x{calibration.height}, f {matrix[0]:.1f} {matrix[4]:.1f}, c {matrix[2]:.1f} {matrix[5]:.1f}"
    if max(calibration.binning) > 1 or calibration.roi[2]:
        found += ", binning or region of interest"
    if not calibration.is_distorted:
        return judged("CameraInfo", f"{found}, no distortion", [(not matrix[0] > 0, Verdict.BAD, "calibrate the camera (camera_calibration)")])
    is_raw = not is_named_rectified(seen.color.topic)
    found += f", {calibration.model} " + " ".join(f"{value:.3g}" for value in calibration.d[:5])
    advice = "images are taken as raw and undistorted; set distortion:=rectified if they are not"
    return judged("CameraInfo", found, [(is_raw, Verdict.LOOK, advice)])


def pairing_finding(seen: CameraSeen) -> Finding:
    """How far colour and depth are apart in time."""
    color, depth = np.sort(seen.color.stamps), np.sort(seen.depth.stamps)
    following = np.clip(np.searchsorted(depth, color), 1, len(depth) - 1) if len(depth) > 1 else np.zeros(len(color), int)
    apart = np.minimum(np.abs(depth[following] - color), np.abs(depth[following - 1] - color))
    middle = float(np.median(apart))
    found = f"nearest depth is {middle * 1e3:.1f} ms from colour; {seen.pairs} pairs of {len(color)} colour images"
    advice = "synchronise the streams (realsense: enable_sync:=true), or give both the same rate"
    return judged("pairing", found, [(middle > 0.02, Verdict.BAD, advice), (middle > 0.005, Verdict.LOOK, advice)])


def registration_finding(seen: CameraSeen) -> Finding:
    """Whether depth pixels are colour's, or a camera's whose place is known."""
    if not seen.frames:
        return Finding("registration", "not known without a frame", Verdict.BAD, "mend what is said above")
    frame = seen.frames[-1]
    if frame.registered:
        same = seen.depth.frame_id in ("", seen.color.frame_id)
        known = "its CameraInfo is colour's" if seen.depth_calibration is not None else "no CameraInfo of depth to check it by"
        return Finding("registration", f"depth is registered to colour ({'same frame' if same else 'frames coincide'}, {known})")
    apart = float(np.linalg.norm(frame.color_T_depth[:3, 3])) * 1e3
    camera = frame.depth_camera
    doubtful = "it has colour's intrinsics: if its pixels are colour's, set depth_camera:=registered"
    return judged(
        "registration",
        f"depth is of its own camera, {apart:.1f} mm away, {camera.width}x{camera.height}: taken as it is",
        [(is_same_camera(camera, frame.camera), Verdict.LOOK, doubtful)],
    )


def depth_findings(frames: Sequence[Frame], limits_m: tuple[float, float]) -> list[Finding]:
    """Unit and holes."""
    if not frames:
        return []
    values = np.concatenate([frame.depth[::4, ::4].ravel() for frame in frames])
    measured = values[values > 0]
    holes = 1 - len(measured) / len(values)
    if not len(measured):
        return [Finding("depth", "nowhere", Verdict.BAD, "uncover the depth camera, or track by colour alone: depth:=none")]
    middle = float(np.median(measured))
    beyond = float(np.mean((measured < limits_m[0]) | (measured > limits_m[1])))
    low, high = PLAUSIBLE_DEPTH_M
    unit = "16UC1 is millimetres and 32FC1 metres (REP-118): set the driver's depth unit to 1 mm"
    return [
        judged(
            "depth unit", f"median {middle:.2f} m, 5 to 95 %: {_range(measured)} m", [(not low < middle < high, Verdict.BAD, unit)]
        ),
        judged(
            "depth holes",
            f"{holes * 100:.0f} % of the pixels",
            [(holes > MOST_HOLES, Verdict.LOOK, "more light or projector power, less shine, or depth:=used with a textured object")],
        ),
        judged(
            "depth limits",
            f"{beyond * 100:.0f} % of what is measured is outside of {limits_m[0]:g} to {limits_m[1]:g} m and not used",
            [(beyond > MOST_BEYOND, Verdict.LOOK, "set min_depth_m and max_depth_m to where objects are")],
        ),
    ]


def shift_finding(shifts_px: Iterable[np.ndarray], biases_m: Iterable[float], name: str) -> Finding:
    """How colour lies to depth where an object is: medians of what the tracker found in frames in which it saw it."""
    shifts, biases = np.array(list(shifts_px)).reshape(-1, 2), list(biases_m)
    if not len(shifts):
        return Finding(
            "colour to depth", f"{name} was not seen where it was said to be", Verdict.LOOK, "give its pose with --initial-pose, metres"
        )
    x, y = np.median(shifts, axis=0)
    found = f"shift {x:+.1f} {y:+.1f} px, depth bias {np.median(biases) * 1e3:+.1f} mm at {name}"
    return judged(
        "colour to depth", found, [(max(abs(x), abs(y)) > 3.0, Verdict.LOOK, "calibrate depth against colour: the outline is off")]
    )


def _range(values: np.ndarray) -> str:
    return " to ".join(f"{value:.2f}" for value in np.percentile(values, [5, 95]))
