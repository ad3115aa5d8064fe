"""cv_bridge of underlay/ (or the real one, where ROS 2 is sourced) on images whose bytes are made by hand."""

import array

import numpy as np
import pytest
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import Image
from std_msgs.msg import Header

LAYOUTS = [
    ("rgb8", np.uint8, 3),
    ("bgr8", np.uint8, 3),
    ("rgba8", np.uint8, 4),
    ("bgra8", np.uint8, 4),
    ("mono8", np.uint8, 1),
    ("8UC1", np.uint8, 1),
    ("8UC3", np.uint8, 3),
    ("mono16", np.uint16, 1),
    ("16UC1", np.uint16, 1),
    ("32FC1", np.float32, 1),
    ("32SC1", np.int32, 1),
]


def picture(dtype, channels, height=5, width=7):
    """An image whose numbers all differ in every byte."""
    values = np.random.default_rng(4).permutation(height * width * channels) * 0x01010101
    return values.astype(np.uint32).astype(dtype).reshape((height, width, channels)[: 2 if channels == 1 else 3])


def message_of(image, encoding, *, padding=0, big_endian=False):
    """A message made without cv_bridge: rows padded with 0xAB, numbers in the byte order that is asked for."""
    ordered = image.astype(image.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xab" * padding for row in ordered]
    return Image(
        height=image.shape[0], width=image.shape[1], encoding=encoding, is_bigendian=big_endian,
        step=len(rows[0]), data=array.array("B", b"".join(rows)),
    )  # fmt: skip


@pytest.mark.parametrize(("encoding", "dtype", "channels"), LAYOUTS)
@pytest.mark.parametrize("padding", [0, 4, 24])
@pytest.mark.parametrize("big_endian", [False, True])
def test_reads_padded_rows_and_both_byte_orders(encoding, dtype, channels, padding, big_endian):
    image = picture(dtype, channels)
    if padding % (image.itemsize * channels):
        padding = image.itemsize * channels
    read = CvBridge().imgmsg_to_cv2(message_of(image, encoding, padding=padding, big_endian=big_endian))
    assert read.dtype == dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize(("encoding", "dtype", "channels"), LAYOUTS)
def test_makes_every_encoding_by_name(encoding, dtype, channels):
    image = picture(dtype, channels)
    header = Header(frame_id="camera")
    message = CvBridge().cv2_to_imgmsg(image, encoding, header)
    assert message == Image(
        header=header, height=5, width=7, encoding=encoding, step=7 * image.itemsize * channels, data=image.tobytes()
    )
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message), image)


def test_makes_messages_of_views():
    image = picture(np.uint8, 3)[::2, 6:1:-1]
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(CvBridge().cv2_to_imgmsg(image, "rgb8")), image)


def test_passthrough_names_the_type():
    assert CvBridge().cv2_to_imgmsg(np.zeros((2, 3), np.float32)).encoding == "32FC1"
    assert CvBridge().cv2_to_imgmsg(np.zeros((2, 3, 3), np.uint8)).encoding == "8UC3"


def test_colors_are_converted():
    red, alpha = [200, 0, 0], [200, 0, 0, 255]
    message = message_of(np.full((2, 2, 3), red, np.uint8), "rgb8")
    bridge = CvBridge()
    assert bridge.imgmsg_to_cv2(message, "bgr8")[0, 0].tolist() == red[::-1]
    assert bridge.imgmsg_to_cv2(message, "rgba8")[0, 0].tolist() == alpha
    assert bridge.imgmsg_to_cv2(message, "mono8")[0, 0] == round(0.299 * 200)
    gray = message_of(np.full((2, 2), 9, np.uint8), "mono8")
    assert bridge.imgmsg_to_cv2(gray, "rgb8")[1, 1].tolist() == [9, 9, 9]


def test_depths_keep_their_range_or_their_value():
    bridge = CvBridge()
    deep = message_of(np.array([[0, 257, 65535]], np.uint16), "mono16")
    assert bridge.imgmsg_to_cv2(deep, "mono8").tolist() == [[0, 1, 255]]
    assert bridge.imgmsg_to_cv2(message_of(np.array([[255, 1]], np.uint8), "mono8"), "mono16").tolist() == [
        [65535, 257]
    ]
    depth = bridge.imgmsg_to_cv2(message_of(np.array([[1234]], np.uint16), "16UC1"), "32FC1")
    assert (depth.dtype, depth.tolist()) == (np.float32, [[1234.0]])


@pytest.mark.parametrize(
    ("have", "want"), [("16UC1", "rgb8"), ("32FC1", "mono8"), ("16UC1", "no such encoding"), ("32FC1", "32FC3")]
)
def test_impossible_conversions_are_refused(have, want):
    dtype = {"16UC1": np.uint16, "32FC1": np.float32}[have]
    with pytest.raises(CvBridgeError):
        CvBridge().imgmsg_to_cv2(message_of(np.zeros((2, 2), dtype), have), want)


@pytest.mark.parametrize(
    ("image", "encoding"),
    [(np.zeros((2, 2), np.uint16), "32FC1"), (np.zeros((2, 2, 4), np.uint8), "rgb8"), (np.zeros((2, 2)), "16UC1")],
)
def test_encoding_must_fit_the_image(image, encoding):
    with pytest.raises(CvBridgeError):
        CvBridge().cv2_to_imgmsg(image, encoding)


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError):
        CvBridge().cv2_to_imgmsg([[1, 2], [3, 4]], "mono8")


def test_truncated_message_is_refused():
    message = message_of(picture(np.uint16, 1), "16UC1")
    message.data = message.data[:-2]
    with pytest.raises(TypeError):  # the real one raises NumPy's, ours a CvBridgeError
        CvBridge().imgmsg_to_cv2(message)
