"""The topics that usual drivers publish, and what else is in their recordings."""

import pytest

from pose_tracker_ros.datasets import DatasetError
from pose_tracker_ros.datasets.camera_topics import CameraTopics, ImageTopic, choose_topics

SIZE, OTHER_SIZE = (640, 480), (848, 480)


def image(name, encoding="rgb8", frame="color", size=SIZE):
    return ImageTopic(name, size, encoding, frame)


def depth(name, frame="color", size=SIZE, encoding="16UC1"):
    return ImageTopic(name, size, encoding, frame)


DRIVERS = {
    "realsense": (
        [
            image("/camera/camera/color/image_raw"),
            image("/camera/camera/color/image_raw/compressed", "rgb8; jpeg compressed bgr8", size=None),
            image("/camera/camera/infra1/image_rect_raw", "mono8", "infra1"),
            depth("/camera/camera/depth/image_rect_raw", "depth"),
            depth("/camera/camera/aligned_depth_to_color/image_raw"),
            depth("/camera/camera/aligned_depth_to_infra1/image_raw", "infra1"),
        ],
        ["/camera/camera/color/camera_info", "/camera/camera/depth/camera_info", "/camera/camera/infra1/camera_info"],
        ("/camera/camera/color/image_raw", "/camera/camera/aligned_depth_to_color/image_raw"),
        "/camera/camera/color/camera_info",
    ),
    "azure kinect": (
        [
            image("/rgb/image_raw", "bgra8", "rgb_camera_link"),
            depth("/depth_to_rgb/image_raw", "rgb_camera_link"),
            depth("/depth/image_raw", "depth_camera_link", (640, 576)),
            depth("/ir/image_raw", "depth_camera_link", (640, 576), "mono16"),
        ],
        ["/rgb/camera_info", "/depth_to_rgb/camera_info", "/depth/camera_info", "/ir/camera_info"],
        ("/rgb/image_raw", "/depth_to_rgb/image_raw"),
        "/rgb/camera_info",
    ),
    "oak": (
        [
            image("/oak/rgb/image_raw", "bgr8", "oak_rgb"),
            image("/oak/left/image_rect", "mono8", "oak_left"),
            image("/oak/right/image_rect", "mono8", "oak_right"),
            depth("/oak/stereo/image_raw", "oak_rgb"),
        ],
        ["/oak/rgb/camera_info", "/oak/stereo/camera_info", "/oak/left/camera_info"],
        ("/oak/rgb/image_raw", "/oak/stereo/image_raw"),
        "/oak/rgb/camera_info",
    ),
    "zed": (
        [
            image("/zed/zed_node/rgb/image_rect_color", "bgra8", "zed_left"),
            image("/zed/zed_node/left/image_rect_color", "bgra8", "zed_left"),
            image("/zed/zed_node/right/image_rect_color", "bgra8", "zed_right"),
            depth("/zed/zed_node/depth/depth_registered", "zed_left", encoding="32FC1"),
            depth("/zed/zed_node/confidence/confidence_map", "zed_left", encoding="32FC1"),
        ],
        ["/zed/zed_node/rgb/camera_info", "/zed/zed_node/left/camera_info", "/zed/zed_node/depth/camera_info"],
        ("/zed/zed_node/rgb/image_rect_color", "/zed/zed_node/depth/depth_registered"),
        "/zed/zed_node/rgb/camera_info",
    ),
    "orbbec": (
        [
            image("/camera/color/image_raw"),
            depth("/camera/depth/image_raw"),
            image("/camera/left_ir/image_raw", "mono8", "ir"),
            image("/camera/ir/image_raw", "mono16", "ir"),
        ],
        ["/camera/color/camera_info", "/camera/depth/camera_info", "/camera/ir/camera_info"],
        ("/camera/color/image_raw", "/camera/depth/image_raw"),
        "/camera/color/camera_info",
    ),
    "astra": (
        [
            image("/camera/rgb/image_raw"),
            image("/camera/rgb/image_rect_color"),
            depth("/camera/depth/image_raw", "depth"),
            depth("/camera/depth_registered/image_raw"),
            depth("/camera/depth_registered/hw_registered/image_rect_raw"),
        ],
        ["/camera/rgb/camera_info", "/camera/depth/camera_info", "/camera/depth_registered/camera_info"],
        ("/camera/rgb/image_rect_color", "/camera/depth_registered/image_raw"),
        "/camera/rgb/camera_info",
    ),
    "own overlay and masks": (
        [
            image("/cam/color/image_raw"),
            depth("/cam/depth/image_raw"),
            image("/tracker/overlay"),
            image("/tracker/demo_jug/overlay"),
            image("/cam/object_overlay"),
            image("/tracker/overlay/compressed", "rgb8; jpeg compressed bgr8", size=None),
            image("/segmentation/mask", "mono8"),
            depth("/segmentation/labels"),
        ],
        ["/cam/color/camera_info"],
        ("/cam/color/image_raw", "/cam/depth/image_raw"),
        "/cam/color/camera_info",
    ),
    "realsense, recorded by its own program": (
        [image("/device_0/sensor_1/Color_0/image/data", frame=""), depth("/device_0/sensor_0/Depth_0/image/data", "", encoding="mono16")],
        ["/device_0/sensor_0/Depth_0/info/camera_info", "/device_0/sensor_1/Color_0/info/camera_info"],
        ("/device_0/sensor_1/Color_0/image/data", "/device_0/sensor_0/Depth_0/image/data"),
        "/device_0/sensor_1/Color_0/info/camera_info",
    ),
    "gazebo": (
        [image("/camera/image"), depth("/camera/depth_image", encoding="32FC1")],
        ["/camera/camera_info"],
        ("/camera/image", "/camera/depth_image"),
        "/camera/camera_info",
    ),
    "gazebo classic": (
        [image("/camera/image_raw"), depth("/camera/depth/image_raw", encoding="32FC1")],
        ["/camera/camera_info", "/camera/depth/camera_info"],
        ("/camera/image_raw", "/camera/depth/image_raw"),
        "/camera/camera_info",
    ),
    "isaac": (
        [image("/rgb", frame="sim_camera"), depth("/depth", "sim_camera", encoding="32FC1")],
        ["/camera_info"],
        ("/rgb", "/depth"),
        "/camera_info",
    ),
    "kinect of ros 1": (
        [
            image("/camera/rgb/image_color"),
            depth("/camera/depth_registered/image", encoding="32FC1"),
            depth("/camera/depth/image", "depth", encoding="32FC1"),
            image("/camera/ir/image_raw", "mono16", "depth"),
        ],
        ["/camera/rgb/camera_info", "/camera/depth/camera_info", "/camera/depth_registered/camera_info"],
        ("/camera/rgb/image_color", "/camera/depth_registered/image"),
        "/camera/rgb/camera_info",
    ),
    "kinect2": (
        [
            image("/kinect2/qhd/image_color_rect", "bgr8"),
            depth("/kinect2/qhd/image_depth_rect"),
            image("/kinect2/sd/image_ir_rect", "mono16", "ir", (512, 424)),
            depth("/kinect2/sd/image_depth_rect", "ir", (512, 424)),
        ],
        ["/kinect2/qhd/camera_info", "/kinect2/sd/camera_info"],
        ("/kinect2/qhd/image_color_rect", "/kinect2/qhd/image_depth_rect"),
        "/kinect2/qhd/camera_info",
    ),
    "realsense with a name": (
        [
            image("/robot1/wrist_cam/color/image_raw"),
            depth("/robot1/wrist_cam/aligned_depth_to_color/image_raw"),
            depth("/robot1/wrist_cam/aligned_depth_to_color/image_raw/compressedDepth", size=None, encoding="16UC1; compressedDepth"),
            image("/robot1/base_cam/color/image_raw/compressed", "rgb8; jpeg compressed bgr8", "base", None),
        ],
        ["/robot1/wrist_cam/color/camera_info", "/robot1/wrist_cam/aligned_depth_to_color/camera_info", "/robot1/base_cam/color/camera_info"],
        ("/robot1/wrist_cam/color/image_raw", "/robot1/wrist_cam/aligned_depth_to_color/image_raw"),
        "/robot1/wrist_cam/color/camera_info",
    ),
    "oak with rectified images": (
        [image("/oak/rgb/image_rect", "bgr8", "oak_rgb"), image("/oak/rgb/image_raw", "bgr8", "oak_rgb"), depth("/oak/stereo/image_raw", "oak_rgb")],
        ["/oak/rgb/camera_info", "/oak/stereo/camera_info"],
        ("/oak/rgb/image_rect", "/oak/stereo/image_raw"),
        "/oak/rgb/camera_info",
    ),
    "another camera without depth": (
        [image("/usb_cam/image_raw"), image("/wrist/color/image_raw"), depth("/wrist/depth/image_raw")],
        ["/usb_cam/camera_info", "/wrist/color/camera_info"],
        ("/wrist/color/image_raw", "/wrist/depth/image_raw"),
        "/wrist/color/camera_info",
    ),
    "compressed only": (
        [
            image("/camera/color/image_raw/compressed", "rgb8; jpeg compressed bgr8", size=None),
            image("/camera/depth/image_raw/compressedDepth", "16UC1; compressedDepth png", size=None),
        ],
        ["/camera/color/camera_info"],
        ("/camera/color/image_raw/compressed", "/camera/depth/image_raw/compressedDepth"),
        "/camera/color/camera_info",
    ),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("order", [1, -1])
def test_topics_of_usual_drivers_are_found(driver, order):
    images, infos, pair, info = DRIVERS[driver]
    found = choose_topics(images[::order], infos[::order], "bag")
    assert (found.color, found.depth, found.camera_info) == (*pair, info)


def two_cameras():
    images = [one for side in ("left", "right") for one in (image(f"/{side}/color/image_raw"), depth(f"/{side}/depth/image_raw"))]
    return images, ["/left/color/camera_info", "/right/color/camera_info"]


def test_of_two_cameras_one_is_named():
    with pytest.raises(DatasetError, match="one colour image topic in bag, found /left/color/image_raw, /right.*--reader color_topic=/left"):
        choose_topics(*two_cameras(), "bag")
    by_color = choose_topics(*two_cameras(), "bag", color="/right/color/image_raw")
    by_depth = choose_topics(*two_cameras(), "bag", depth="/right/depth/image_raw")
    expected = CameraTopics("/right/color/image_raw", "/right/depth/image_raw", "/right/color/camera_info", None)
    assert by_color == by_depth == expected


def test_what_is_not_there_is_asked_for_by_its_option():
    images, infos = two_cameras()
    with pytest.raises(DatasetError, match="color_topic to be a colour image topic in bag, got /no; it has /left/color"):
        choose_topics(images, infos, "bag", color="/no")
    with pytest.raises(DatasetError, match="one depth image topic.*none among its images.*depth_topic=none to do without"):
        choose_topics(images[:1], infos, "bag")
    with pytest.raises(DatasetError, match="one CameraInfo topic in bag for /left/color/image_raw, found none.*color_intrinsics="):
        choose_topics(images[:2], [], "bag")
    assert choose_topics(images[:1], infos, "bag", depth="none").depth is None
    assert choose_topics(images[:2], [], "bag", info_needed=False).camera_info is None
