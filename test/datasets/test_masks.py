"""Masks as annotation tools, segmentation networks and data sets write them; the object is always the same square."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from pose_tracker_ros.datasets import DatasetError
from pose_tracker_ros.datasets.files import read_color
from pose_tracker_ros.datasets.image_messages import color_from_message, depth_from_message
from pose_tracker_ros.datasets.masks import parse_label, read_mask

SQUARE = np.zeros((48, 64), bool)
SQUARE[10:30, 20:50] = True
OTHER = np.zeros_like(SQUARE)
OTHER[35:45, 5:20] = True


def labels(value, other=0, dtype=np.uint8):
    image = np.zeros(SQUARE.shape, dtype)
    image[SQUARE], image[OTHER] = value, other
    return image


def colors(value, other=(0, 0, 0)):
    image = np.zeros((*SQUARE.shape, 3), np.uint8)
    image[SQUARE], image[OTHER] = value, other
    return image


def palette(value, other=0, background=(0, 0, 0)):
    image = Image.fromarray(labels(value, other)).convert("L")
    image.putpalette([*background, *(np.arange(765) % 251).tolist()])
    return image


def opacity(alpha, rgb=(90, 80, 70)):
    image = np.full((*SQUARE.shape, 4), (*rgb, 0), np.uint8)
    image[SQUARE, 3] = alpha
    return image


ALONE = {
    "8 bit 255": labels(255),
    "8 bit 1": labels(1),
    "16 bit 3": labels(3, dtype=np.uint16),
    "16 bit 300": labels(300, dtype=np.uint16),
    "16 bit 65535": labels(65535, dtype=np.uint16),
    "black and white": Image.fromarray(SQUARE),
    "faint blue": colors((0, 0, 1)),
    "white in colour": colors((255, 255, 255)),
    "red": colors((128, 0, 0)),
    "palette": palette(7),
    "opacity of a cut out": opacity(255),
    "half opacity of a drawing": opacity(120, (255, 0, 0)),
    "full opacity": np.dstack([colors((9, 9, 9)), np.full(SQUARE.shape, 255, np.uint8)]),
}


def write(path, image):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path)
    return path


@pytest.mark.parametrize("kind", ALONE)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_object_alone_needs_no_label(tmp_path, kind, suffix):
    np.testing.assert_array_equal(read_mask(write(tmp_path / f"mask{suffix}", ALONE[kind])), SQUARE)


def test_soft_edges_and_lossy_files_have_no_labels(tmp_path):
    soft = cv2.GaussianBlur(labels(255), (0, 0), 0.7)
    assert (read_mask(write(tmp_path / "soft.png", soft)) & SQUARE).sum() == SQUARE.sum()
    Image.fromarray(labels(255)).save(tmp_path / "mask.jpg", quality=60)
    assert (read_mask(tmp_path / "mask.jpg") ^ SQUARE).sum() < 0.02 * SQUARE.sum()


SEVERAL = {
    "16 bit": (labels(3, 300, np.uint16), "3", "3 (600 pixels), 300 (150 pixels)"),
    "8 bit": (labels(200, 255), "200", "200 (600 pixels), 255 (150 pixels)"),
    "32 bit": (Image.fromarray(labels(70000, 5, np.int32)), "70000", "70000 (600 pixels), 5 (150 pixels)"),
    "colours": (colors((0, 0, 1), (0, 128, 0)), "0,0,1", "0,0,1 (600 pixels), 0,128,0 (150 pixels)"),
    "palette": (palette(2, 9), "2", "2 (600 pixels), 9 (150 pixels)"),
    "grey in colour": (colors((4, 4, 4), (6, 6, 6)), "4", "4 (600 pixels), 6 (150 pixels)"),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_of_several_objects_one_is_named(tmp_path, kind):
    image, label, listed = SEVERAL[kind]
    path = write(tmp_path / ("mask.tif" if kind == "32 bit" else "mask.png"), image)
    np.testing.assert_array_equal(read_mask(path, label), SQUARE)
    with pytest.raises(DatasetError) as several:
        read_mask(path)
    with pytest.raises(DatasetError, match="label 77 in .*mask") as absent:
        read_mask(path, 77)
    assert listed in str(several.value) and listed in str(absent.value)


def test_labels_as_people_write_them():
    assert parse_label("#0a00ff") == parse_label("10, 0, 255") == parse_label([10, 0, 255]) == (10, 0, 255)
    assert parse_label("3") == parse_label(3) == 3 and parse_label(None) is None
    for wrong in ("three", "1,2", "#12345g", True, 1.5, "", "-1"):
        with pytest.raises(DatasetError, match="expected a label as number or as colour"):
            parse_label(wrong)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["photo", "opacity", "palette"])
def test_images_and_masks_are_turned_as_their_tags_say(tmp_path, orientation, kind):
    way = {
        2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270",
    }  # fmt: skip
    upright = colors((250, 250, 250))
    image = {"photo": Image.fromarray(upright), "opacity": Image.fromarray(opacity(255)), "palette": palette(7)}[kind]
    # What a camera held in this way stores.
    stored = image.transpose(getattr(Image.Transpose, way[orientation])) if orientation in way else image
    tags = Image.Exif()
    tags[0x0112] = orientation
    path = tmp_path / ("tagged.jpg" if kind == "photo" else "tagged.png")
    stored.save(path, exif=tags, **({"quality": 95} if kind == "photo" else {}))
    assert (read_mask(path) ^ SQUARE).sum() <= (0.02 * SQUARE.sum() if kind == "photo" else 0)
    if kind == "photo":
        assert np.abs(read_color(path).astype(int) - upright).mean() < 3


def test_colours_of_16_bits_are_labels_too(tmp_path):
    for name, step in (("high", 257), ("low", 1)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), colors((3, 90, 7), (200, 0, 0))[..., ::-1].astype(np.uint16) * step)
        assert np.array_equal(read_mask(tmp_path / f"{name}.png", "3,90,7"), SQUARE)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(colors((200, 100, 50))),
        np.dstack([colors((200, 100, 50)), np.full(SQUARE.shape, 255, np.uint8)]),
        Image.fromarray(colors((200, 100, 50))).convert("P", palette=Image.Palette.ADAPTIVE),
    ],
    ids=["rgb", "rgba", "palette"],
)
def test_colour_images_of_every_kind_are_the_same(tmp_path, image):
    np.testing.assert_array_equal(read_color(write(tmp_path / "image.png", image)), colors((200, 100, 50)))


def test_16_bit_colour_is_scaled(tmp_path):
    deep = colors((200, 100, 50)).astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    np.testing.assert_array_equal(read_color(tmp_path / "deep.png"), colors((200, 100, 50)))


def test_an_image_that_says_it_is_too_large_is_refused(tmp_path):
    """Its header alone; there is nothing to decode."""
    import struct
    import zlib

    header = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"0")), (b"IEND", b""))
    )
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    for read in (read_color, read_mask):
        with pytest.raises(DatasetError, match="huge.png.*pixels"):
            read(tmp_path / "huge.png")
    for read, form in ((color_from_message, "rgb8; png compressed bgr8"), (depth_from_message, "16UC1; compressedDepth png")):
        with pytest.raises(ValueError, match="pixels"):
            read(SimpleNamespace(format=form, data=(tmp_path / "huge.png").read_bytes()))
