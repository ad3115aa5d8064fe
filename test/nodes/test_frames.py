"""Messages of ordinary cameras become frames in which the tracker finds the true pose, or are refused in a sentence."""

import cv2
import numpy as np
import pytest
from std_msgs.msg import Header
from tracking_scenes import CAMERA, START, frame_of

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import apply_residual, invert, make_pose, pose_errors, so3_exp
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.frames import FrameMaker, RgbdMessages
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

COLOR_FRAME, DEPTH_FRAME = "camera_color_optical_frame", "camera_depth_optical_frame"
# Near the left border, where distortion and wrong intrinsics count most.
ASIDE = apply_residual(START, np.array([-0.2, -0.07, 0.0]), np.zeros(3))
COLOR_T_DEPTH = make_pose(so3_exp(np.array([0.01, -0.02, 0.01])), np.array([0.055, 0.003, -0.004]))
PLUMB_BOB, EQUIDISTANT = (-0.28, 0.08, 0.001, -0.001, 0.0), (-0.08, 0.01, 0.0, 0.0)
BINNED = PinholeCamera(212, 120, 107.25, 107.0, 104.75, 60.25)
RATIONAL = (0.5, -2.6, 0.0004, -0.0002, 1.5, 0.4, -2.4, 1.4)


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture(scope="module")
def tracker(cube):
    return Tracker([cube], TrackerConfig(network="never", **OFFLINE))


def maker(color="image_raw", depth="depth/image_raw", color_T_depth=None, **options):
    def place(color_frame, depth_frame):
        if color_T_depth is None:
            raise ValueError(f"no transform from {depth_frame!r} to {color_frame!r}")
        return color_T_depth

    return FrameMaker(ImageOptions(**options), (color, depth), place)


def received(color, depth, info, depth_info=None, depth_frame=COLOR_FRAME):
    header = Header(frame_id=COLOR_FRAME)
    return RgbdMessages(
        messages.image_message(color, "rgb8", header),
        messages.image_message(depth, "32FC1", Header(frame_id=depth_frame)),
        info,
        depth_info,
    )


def info_of(camera, **fields):
    info = messages.info_message(camera, Header())
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def matrix_fields(matrix):
    """k and p of a CameraInfo."""
    return {"k": matrix.ravel().tolist(), "p": np.hstack([matrix, np.zeros((3, 1))]).ravel().tolist()}


def raw(frame, model, d):
    """The images as a lens distorts them: every raw pixel shows what is in its direction."""
    undistort = cv2.fisheye.undistortPoints if model == "equidistant" else cv2.undistortPoints
    grid = np.stack(np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height)), axis=-1).reshape(-1, 1, 2).astype(np.float32)
    seen = undistort(grid, CAMERA.matrix, np.array(d), P=CAMERA.matrix).reshape(CAMERA.height, CAMERA.width, 2)
    return (
        cv2.remap(frame.color, seen[..., 0], seen[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        cv2.remap(frame.depth, seen[..., 0], seen[..., 1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE),
    )


def assert_found(tracker, frame, pose, millimetres=1.0, degrees=0.5):
    """Where the tracker finds the object that it expects 6 mm and 2 degrees aside."""
    tracker.start("cube", apply_residual(pose, np.array([0.004, -0.004, 0.003]), np.radians([1, 1, -1])))
    for _ in range(6):
        result = tracker.step(frame)["cube"]
    translation, rotation = pose_errors(result.camera_T_object, pose)
    assert translation < millimetres * 1e-3 and rotation < np.radians(degrees), (translation * 1e3, np.degrees(rotation))


@pytest.mark.parametrize(("model", "d"), [("plumb_bob", PLUMB_BOB), ("rational_polynomial", RATIONAL), ("equidistant", EQUIDISTANT)])
@pytest.mark.parametrize("pose", [ASIDE, START], ids=["at the border", "in the middle"])
def test_raw_images_are_undistorted(tracker, cube, model, d, pose):
    info = info_of(CAMERA, d=list(d), distortion_model=model)
    frame = maker().frame(received(*raw(frame_of(cube, pose), model, d), info))
    # Depth of 320x240 has been taken from the nearest pixel twice, 2 mm each.
    assert_found(tracker, frame, pose, millimetres=2.0)


@pytest.mark.parametrize("options", [{"color": "camera/image_rect"}, {"distortion": "rectified"}])
def test_rectified_images_are_of_p(tracker, cube, options):
    other = CAMERA.matrix + np.array([[25, 0, -12], [0, 25, 9], [0, 0, 0]])
    info = info_of(CAMERA, d=list(PLUMB_BOB), k=other.ravel().tolist())
    scene = frame_of(cube, ASIDE)
    assert_found(tracker, maker(**options).frame(received(scene.color, scene.depth, info)), ASIDE)


@pytest.mark.parametrize(
    ("scale", "offset", "fields"),
    [
        (2, (0, 0), {"binning_x": 2, "binning_y": 2}),
        (3, (0, 0), {"binning_x": 3, "binning_y": 3}),
        (1, (100, 60), {}),
        (2, (64, 32), {"binning_x": 2, "binning_y": 2}),
    ],
)
def test_binned_images_and_parts_have_the_intrinsics_of_what_they_are(tracker, cube, scale, offset, fields):
    matrix = np.diag([scale, scale, 1.0]) @ (CAMERA.matrix + [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    matrix[:2, 2] += np.array(offset) - 0.5
    info = info_of(CAMERA, **matrix_fields(matrix), **fields)
    info.width, info.height = 1200, 900
    info.roi.x_offset, info.roi.y_offset = offset
    info.roi.width, info.roi.height = CAMERA.width * scale, CAMERA.height * scale
    scene = frame_of(cube, ASIDE)
    frame = maker().frame(received(scene.color, scene.depth, info))
    assert np.allclose(frame.camera.matrix, CAMERA.matrix)
    assert_found(tracker, frame, ASIDE)


def own_depth(cube, camera, pose, color_T_depth=COLOR_T_DEPTH):
    rendering = RaycastRenderer(cube.mesh).render(camera, invert(color_T_depth) @ pose)
    return np.where(rendering.mask, rendering.depth, np.float32(1.2)).astype(np.float32)


@pytest.mark.parametrize(
    "camera", [CAMERA, PinholeCamera(424, 240, 215.0, 214.0, 210.0, 121.0), PinholeCamera(240, 320, 290.0, 290.0, 118.0, 170.0)]
)
def test_depth_of_another_camera_stays_as_it_is(tracker, cube, camera):
    depth = own_depth(cube, camera, START)
    scene = received(frame_of(cube, START).color, depth, info_of(CAMERA), info_of(camera), DEPTH_FRAME)
    frame = maker(color_T_depth=COLOR_T_DEPTH).frame(scene)
    assert np.array_equal(frame.depth, depth) and frame.depth_camera == camera
    assert_found(tracker, frame, START)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_depth_of_a_camera_that_is_mounted_on_its_side_and_binned(tracker, cube, degrees):
    turned = make_pose(so3_exp(np.array([0.0, 0.02, 0.0])) @ so3_exp(np.array([0.0, 0.0, np.radians(degrees)])), COLOR_T_DEPTH[:3, 3])
    info = info_of(PinholeCamera(424, 240, 214.5, 214.0, 210.0, 121.0), binning_x=2, binning_y=2)
    depth = own_depth(cube, BINNED, START, turned)
    scene = received(frame_of(cube, START).color, depth, info_of(CAMERA), info, DEPTH_FRAME)
    frame = maker(color_T_depth=turned).frame(scene)
    assert frame.depth_camera == BINNED
    # With 120 rows of depth colour's 240 decide, whose pixel is 2 mm there; the same image again does not average them.
    assert_found(tracker, frame, START, millimetres=2.5)


def test_depth_in_the_same_place_with_other_intrinsics(tracker, cube):
    """Its CameraInfo alone tells: frame and size are colour's."""
    camera = PinholeCamera(CAMERA.width, CAMERA.height, 260.0, 258.0, 150.0, 124.0)
    depth = own_depth(cube, camera, START, np.eye(4))
    frame = maker().frame(received(frame_of(cube, START).color, depth, info_of(CAMERA), info_of(camera)))
    assert frame.depth_camera == camera and np.array_equal(frame.color_T_depth, np.eye(4))
    assert_found(tracker, frame, START)


def test_depth_camera_with_distortion_of_its_own(tracker, cube):
    depth = raw(frame_of(cube, START), "plumb_bob", PLUMB_BOB)[1]
    info = info_of(CAMERA, d=list(PLUMB_BOB))
    scene = frame_of(cube, START)
    frame = maker(color_T_depth=np.eye(4)).frame(received(scene.color, depth, info_of(CAMERA), info, DEPTH_FRAME))
    assert frame.registered
    assert_found(tracker, frame, START)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"depth_info": info_of(CAMERA)},
        {"depth_info": info_of(CAMERA), "depth_frame": DEPTH_FRAME},
        {"depth_frame": ""},
    ],
)
def test_registered_depth_is_told_by_frame_and_intrinsics(cube, fields):
    scene = frame_of(cube, START)
    frame = maker(color_T_depth=np.eye(4)).frame(received(scene.color, scene.depth, info_of(CAMERA), **fields))
    assert frame.registered and np.array_equal(frame.depth, scene.depth)


def test_depth_is_registered_where_a_user_says_so(cube):
    scene = frame_of(cube, START)
    told = maker(depth_camera="registered")
    images = received(scene.color, scene.depth, info_of(CAMERA), None, DEPTH_FRAME)
    assert told.frame(images).registered
    with pytest.raises(ValueError, match="size 320x240, got 160x120; register depth"):
        told.frame(images._replace(depth=messages.image_message(scene.depth[::2, ::2], "32FC1", Header())))


@pytest.mark.parametrize(
    ("options", "fields", "words"),
    [
        ({}, {"depth_frame": DEPTH_FRAME}, "depth in colour's frame .* or the depth camera's CameraInfo .* depth_camera to registered"),
        ({}, {"depth_frame": DEPTH_FRAME, "depth_info": info_of(CAMERA)}, "expected TF between depth in 'camera_depth_optical_frame'"),
        ({"distortion": "refuse"}, {"info": info_of(CAMERA, d=list(PLUMB_BOB))}, "rectified images.* image_proc"),
        ({}, {"info": info_of(CAMERA, d=[0.1] * 4, distortion_model="double_sphere")}, "double_sphere"),
        ({}, {"info": info_of(CAMERA, d=[0.1] * 6)}, "4, 5, 8, 12 or 14 coefficients.*got 6"),
        ({}, {"info": info_of(CAMERA, k=[0.0] * 9, p=[0.0] * 12)}, "is the camera calibrated"),
        ({}, {"info": info_of(CAMERA, height=480)}, "CameraInfo of the image's size 320x240, got 320x480"),
        ({}, {"depth_info": info_of(CAMERA, k=[0.0] * 9, p=[0.0] * 12)}, "is the camera calibrated"),
        ({}, {"depth_info": info_of(CAMERA, width=640), "depth_frame": DEPTH_FRAME}, "image's size 320x240, got 640x240"),
    ],
)
def test_what_would_be_off_is_refused_in_one_sentence(cube, options, fields, words):
    scene = frame_of(cube, START)
    with pytest.raises(ValueError, match=words) as error:
        maker(**options).frame(received(scene.color, scene.depth, **{"info": info_of(CAMERA), **fields}))
    assert "\n" not in str(error.value)


def test_colour_alone_is_refused_as_its_depth_is_until_one_can_be_taken(cube):
    """A depth image that comes late must not make a frame of a camera whose depth cannot be taken."""
    scene = frame_of(cube, START)
    frames = maker()
    pair = received(scene.color, scene.depth, info_of(CAMERA))
    alone, elsewhere = pair._replace(depth=None), received(scene.color, scene.depth, info_of(CAMERA), depth_frame=DEPTH_FRAME)
    cut = pair._replace(depth=messages.image_message(scene.depth[:100], "32FC1", Header(frame_id=COLOR_FRAME)))
    assert not frames.frame(alone).depth.any()
    for refused, words in ((elsewhere, "depth in colour's frame"), (cut, "got 320x100")):
        for message in (refused, alone, alone):
            with pytest.raises(ValueError, match=words):
                frames.frame(message)
        assert frames.frame(pair).depth.any()
        assert not frames.frame(alone).depth.any()
    with pytest.raises(ValueError, match="got 320x100"):
        frames.frame(cut)
    frames.forget_depth()
    assert not frames.frame(alone).depth.any()


def test_masks_and_boxes_of_raw_images_are_taken_to_the_frame(cube):
    scene = frame_of(cube, ASIDE)
    frames = maker()
    color, depth = raw(scene, "plumb_bob", PLUMB_BOB)
    frame = frames.frame(received(color, depth, info_of(CAMERA, d=list(PLUMB_BOB))))
    on_object = frame.depth < 1.0
    assert (frames.mask(depth < 1.0) != on_object).mean() < 1e-4
    rows, columns = np.nonzero(depth < 1.0)
    rows_there, columns_there = np.nonzero(on_object)
    box = frames.box((columns.min(), rows.min(), columns.max(), rows.max()))
    assert np.allclose(box, (columns_there.min(), rows_there.min(), columns_there.max(), rows_there.max()), atol=6)
    with pytest.raises(ValueError, match="as large as the colour image, 320x240, got 160x120"):
        frames.mask(np.zeros((120, 160), bool))
