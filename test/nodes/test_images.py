"""Images as drivers encode them, whose pixels are known, through cv_bridge (nodes) and without ROS (recordings)."""

import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from pose_tracker_ros.datasets.image_messages import COLOR_ENCODINGS, color_from_message, depth_from_message
from pose_tracker_ros.nodes.images import color_image, depth_image

HEIGHT, WIDTH = 24, 32
READERS = [color_image, color_from_message]
DEPTH_READERS = [depth_image, depth_from_message]
# Left half, right half: colours that no swap of channels leaves alone.
LEFT, RIGHT = (220, 90, 30), (20, 60, 200)


def picture():
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2], image[:, WIDTH // 2 :] = LEFT, RIGHT
    return image


def message(pixels, encoding, padding=0, big_endian=False):
    """Rows with bytes after each that are no whole number of pixels, numbers in either order."""
    rows = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<")).reshape(HEIGHT, -1)
    data = b"".join(row.tobytes() + b"\xab" * padding for row in rows)
    return Image(
        height=HEIGHT, width=WIDTH, encoding=encoding, is_bigendian=int(big_endian), step=len(data) // HEIGHT, data=array.array("B", data)
    )


def gray(rgb):
    return (0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]).astype(np.uint8)


def bayer(rgb, pattern):
    """Of every pixel the channel that the pattern's letter names (first row's first two, second row's first two)."""
    channel = {"r": 0, "g": 1, "b": 2}
    mosaic = np.zeros(rgb.shape[:2], np.uint8)
    for index, letter in enumerate(pattern):
        row, column = divmod(index, 2)
        mosaic[row::2, column::2] = rgb[row::2, column::2, channel[letter]]
    return mosaic


def yuv(rgb, luma_first):
    """Two pixels in four bytes (BT.601, limited range)."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    chroma = np.where(np.arange(rgb.shape[1]) % 2 == 0, u, v)
    return np.rint(np.stack([y, chroma] if luma_first else [chroma, y], axis=-1)).astype(np.uint8)


def wide(pixels):
    return pixels.astype(np.uint16) * 257


RGB = picture()
OPAQUE = np.full((HEIGHT, WIDTH, 1), 9, np.uint8)
ENCODED = {
    "rgb8": RGB,
    "bgr8": RGB[..., ::-1],
    "8UC3": RGB[..., ::-1],
    "rgba8": np.dstack([RGB, OPAQUE]),
    "bgra8": np.dstack([RGB[..., ::-1], OPAQUE]),
    "8UC4": np.dstack([RGB[..., ::-1], OPAQUE]),
    "mono8": gray(RGB),
    "8UC1": gray(RGB),
    "rgb16": wide(RGB),
    "bgr16": wide(RGB[..., ::-1]),
    "16UC3": wide(RGB[..., ::-1]),
    "rgba16": wide(np.dstack([RGB, OPAQUE])),
    "bgra16": wide(np.dstack([RGB[..., ::-1], OPAQUE])),
    "mono16": wide(gray(RGB)),
    "yuv422": yuv(RGB, False),
    "uyvy": yuv(RGB, False),
    "yuv422_yuy2": yuv(RGB, True),
    "yuyv": yuv(RGB, True),
    **{f"bayer_{pattern}8": bayer(RGB, pattern) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": wide(bayer(RGB, pattern)) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
}


def test_every_encoding_is_tried():
    assert set(ENCODED) == set(COLOR_ENCODINGS)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize(("padding", "big_endian"), [(0, False), (5, False), (0, True), (7, True)])
def test_colours_are_those_that_were_encoded(read, encoding, padding, big_endian):
    image = read(message(ENCODED[encoding], encoding, padding, big_endian))
    expected = np.dstack([gray(RGB)] * 3) if ENCODED[encoding].ndim == 2 and "bayer" not in encoding else RGB
    # Not at the edge between the colours, where Bayer and YUV pixels are of both.
    inside = np.r_[4 : WIDTH // 2 - 4, WIDTH // 2 + 4 : WIDTH - 4]
    assert np.abs(image[4:-4, inside].astype(int) - expected[4:-4, inside]).max() <= 3
    assert image.dtype == np.uint8 and image.flags.c_contiguous and image.flags.writeable


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("suffix", "stored", "form"),
    [
        (".png", RGB[..., ::-1], "rgb8; png compressed bgr8"),
        (".png", RGB[..., ::-1], "png"),
        (".png", RGB, "rgb8; png compressed rgb8"),
        (".jpg", RGB[..., ::-1], "bgr8; jpeg compressed bgr8"),
        (".jpg", RGB[..., ::-1], "jpeg"),
        (".png", wide(RGB[..., ::-1]), "rgb16; png compressed bgr16"),
        (".png", np.dstack([RGB[..., ::-1], OPAQUE]), "bgra8; png compressed "),
        (".png", bayer(RGB, "grbg"), "bayer_grbg8; png compressed "),
    ],
)
def test_compressed_colours(read, suffix, stored, form):
    data = cv2.imencode(suffix, stored)[1].tobytes()
    image = read(CompressedImage(format=form, data=data))
    inside = np.r_[4 : WIDTH // 2 - 8, WIDTH // 2 + 8 : WIDTH - 4]
    assert np.abs(image[4:-4, inside].astype(int) - RGB[4:-4, inside]).max() <= 6


def depth():
    metres = np.linspace(0.3, 4.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    metres[3, 5] = 0
    return metres


@pytest.mark.parametrize("read", DEPTH_READERS)
@pytest.mark.parametrize("encoding", ["16UC1", "mono16", "32FC1"])
@pytest.mark.parametrize(("padding", "big_endian"), [(0, False), (3, False), (0, True), (6, True)])
def test_depth_is_metres(read, encoding, padding, big_endian):
    raw = depth() if encoding == "32FC1" else np.rint(depth() * 1000).astype(np.uint16)
    if encoding == "32FC1":
        raw[3, 5] = np.nan
    assert np.allclose(read(message(raw, encoding, padding, big_endian)), depth(), atol=5.1e-4)


def inverse_depth_png(metres, quantization=100.0, furthest=10.0):
    """What compressed_depth_image_transport makes of 32FC1: 16 bits of a / depth + b, with a and b before the PNG."""
    a = quantization * (quantization + 1.0)
    b = 1.0 - a / furthest
    values = np.where(metres > 0, a / np.maximum(metres, 1e-9) + b, 0)
    header = np.int32(0).tobytes() + np.float32([a, b]).tobytes()
    return header + cv2.imencode(".png", np.rint(values).astype(np.uint16))[1].tobytes()


@pytest.mark.parametrize("read", DEPTH_READERS)
def test_the_largest_number_is_no_measurement(read):
    raw = np.full((HEIGHT, WIDTH), 65535, np.uint16)
    raw[0, 0] = 700
    measured = read(message(raw, "16UC1"))
    assert measured[0, 0] == pytest.approx(0.7) and np.count_nonzero(measured) == 1


@pytest.mark.parametrize("read", DEPTH_READERS)
def test_compressed_depth(read):
    millimetres = cv2.imencode(".png", np.rint(depth() * 1000).astype(np.uint16))[1].tobytes()
    for data, form in (
        (bytes(12) + millimetres, "16UC1; compressedDepth png"),
        (bytes(12) + millimetres, "16UC1; compressedDepth"),
        (millimetres, "16UC1; compressedDepth png"),
        (millimetres, "16UC1; png compressed "),
        (millimetres, "png"),
        (millimetres, ""),
    ):
        assert np.allclose(read(CompressedImage(format=form, data=data)), depth(), atol=5.1e-4)
    tiff = cv2.imencode(".tiff", depth())[1].tobytes()
    assert all(np.array_equal(read(CompressedImage(format=form, data=tiff)), depth()) for form in ("tiff", "32FC1; tiff compressed "))
    grey = cv2.imencode(".png", np.ones((4, 4), np.uint8))[1].tobytes()
    for data, form in ((grey, "png"), (grey, "8UC1; compressedDepth png"), (millimetres, "rgb8; png compressed bgr8")):
        with pytest.raises(ValueError, match="expected compressed depth"):
            read(CompressedImage(format=form, data=data))
    floats = read(CompressedImage(format="32FC1; compressedDepth png", data=inverse_depth_png(depth())))
    assert floats[3, 5] == 0 and np.allclose(floats, depth(), atol=1e-3)


@pytest.mark.parametrize("read", READERS + DEPTH_READERS)
@pytest.mark.parametrize(
    "broken",
    [
        Image(height=HEIGHT, width=WIDTH, encoding="no_such_8", step=WIDTH, data=bytes(WIDTH * HEIGHT)),
        Image(height=HEIGHT, width=WIDTH, encoding="16UC1", step=2 * WIDTH, data=bytes(100)),
        Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=WIDTH, data=bytes(3 * WIDTH * HEIGHT)),
        Image(height=0, width=WIDTH, encoding="bgr8", step=3 * WIDTH),
        Image(height=HEIGHT, width=0, encoding="32FC1"),
        Image(height=HEIGHT, width=5, encoding="yuv422", step=10, data=bytes(10 * HEIGHT)),
        CompressedImage(format="16UC1; compressedDepth rvl", data=bytes(400)),
        CompressedImage(format="", data=b""),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(read, broken):
    with pytest.raises(ValueError, match="expected") as error:
        read(broken)
    assert "\n" not in str(error.value)
