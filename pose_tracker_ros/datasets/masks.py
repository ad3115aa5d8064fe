"""Masks of objects in images of any kind: black and white, grey labels, palettes, colours, opacity.

Tools write labels in many ways. A label here is a number (grey levels, indices of a palette) or a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from pose_tracker_ros.datasets.files import LEVELS_8_BIT, LOSSY_SUFFIXES, DatasetError, read_image, upright

Label = int | tuple[int, int, int]
HALF = 0.5
_NAMED_LABELS = 12


def read_mask(path: Path, label: object = None) -> np.ndarray:
    """Mask (H, W) bool of one object of an image file.

    Parameters: ``label`` of the object, see :func:`parse_label`; None where the image has only one.
    Raises DatasetError when there is no such image, for a label that it does not have, and when it has several labels
    and none is given; the message lists those that it has.
    """
    wanted = parse_label(label)
    labels = read_labels(path)
    if wanted is not None:
        return mask_of(labels, wanted, path)
    return one_mask(labels, path)


def read_labels(path: Path) -> np.ndarray:
    """Labels of an image file's pixels, 0 = no object: (H, W) integers, or (H, W, 3) uint8 RGB.

    What is drawn by opacity, or in a format that does not keep values, has the label 255 alone.
    Raises DatasetError as :func:`~pose_tracker_ros.datasets.files.read_image` does.
    """
    indices = _palette_indices(path)
    if indices is not None:
        return indices
    lossy = path.suffix.lower() in LOSSY_SUFFIXES
    image = read_image(path, opacity=not lossy)
    if image.ndim == 3 and image.shape[2] in (2, 4):
        opacity, image = image[..., -1], image[..., :-1]
        if opacity.min() < opacity.max():
            return np.where(opacity > opacity.max() // 2, np.uint8(255), np.uint8(0))
    if lossy:
        brightness = image.max(axis=2) if image.ndim == 3 else image
        return np.where(brightness > brightness.max() // 2, np.uint8(255), np.uint8(0))
    if image.ndim == 3:
        image = image[..., ::-1] if image.shape[2] == 3 else image[..., 0]
        if image.ndim == 3 and np.all(image[..., :1] == image):
            image = image[..., 0]
    if image.dtype.kind == "f":
        image = np.nan_to_num(image).astype(np.int64)
    if image.ndim == 3 and image.dtype == np.uint16:
        image = np.uint8(image // LEVELS_8_BIT if image.max() > np.iinfo(np.uint8).max else image)
    return image


def one_mask(labels: np.ndarray, source: object) -> np.ndarray:
    """Mask (H, W) bool of the only object in an image of labels; its soft edges count where they are more object than not.

    Raises DatasetError that lists the labels when there are several.
    """
    found = label_counts(labels)
    if len(found) > 1:
        raise DatasetError(f"expected one label in {source}, got {_listed(found)}; say which is the object's by its label")
    return _with_soft_edges(labels, next(iter(found), 0))


def mask_of(labels: np.ndarray, label: Label, source: object) -> np.ndarray:
    """Mask (H, W) bool of the pixels with a label.

    Raises DatasetError that lists the labels when none has it.
    """
    if isinstance(label, tuple) and labels.ndim == 2:
        labels = labels[..., None].repeat(3, axis=2)
    mask = np.all(labels == np.array(label), axis=2) if isinstance(label, tuple) else _numbers(labels) == label
    if not mask.any():
        raise DatasetError(f"expected pixels of label {label_text(label)} in {source}, which has {_listed(label_counts(labels))}")
    return mask


def masks_by_label(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (H, W) bool of all labels of an image by the label's text; of one alone without a text."""
    found = label_counts(labels)
    if len(found) < 2:
        return {"": _with_soft_edges(labels, next(iter(found), 0))}
    return {label_text(label): mask_of(labels, label, "the image") for label in found}


def label_counts(labels: np.ndarray) -> dict[Label, int]:
    """How many pixels have each label that is not 0, the commonest label first.

    What nowhere covers 3x3 pixels is an edge drawn softly and counts only where nothing else is there.
    """
    codes = _codes(labels)
    if codes.dtype.itemsize <= 2:  # many times faster than to sort them
        all_counts = np.bincount(codes.ravel())
        values = np.flatnonzero(all_counts)
        counts = all_counts[values]
    else:
        values, counts = np.unique(codes, return_counts=True)
    several = np.count_nonzero(values) > 1
    solid = set(_solid_values(codes).tolist()) - {0} if several else set()
    found = {
        _label_of_code(int(value), labels.ndim): int(count)
        for value, count in zip(values, counts)
        if value and (not solid or int(value) in solid)
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def parse_label(label: object) -> Label | None:
    """A label of a number, of '3', of a colour '255,0,0' or '#ff0000', or of a list of three; None stays None.

    Raises DatasetError for anything else.
    """
    if label is None or (isinstance(label, int) and not isinstance(label, bool)):
        return label
    if isinstance(label, str) and label.startswith("#") and len(label) == 7:
        parts: Sequence[object] = [str(int(label[i : i + 2], 16)) for i in (1, 3, 5)] if _is_hexadecimal(label[1:]) else ()
    else:
        parts = label.replace(",", " ").split() if isinstance(label, str) else label if isinstance(label, (list, tuple)) else ()
    numbers = [int(str(part)) for part in parts if str(part).strip().isdigit()]
    if len(numbers) != len(parts) or len(numbers) not in (1, 3):
        raise DatasetError(f"expected a label as number or as colour such as 255,0,0 or #ff0000, got {label!r}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])


def label_text(label: Label) -> str:
    """A label as one writes it."""
    return ",".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Labels as numbers: of colours the largest channel, as grey images stored in colour have it."""
    return labels.max(axis=2) if labels.ndim == 3 else labels


def _palette_indices(path: Path) -> np.ndarray | None:
    """The indices of an image with a palette that begins with black, None for other images."""
    try:
        with Image.open(path) as image:
            if image.mode != "P" or (image.getpalette() or [1])[:3] != [0, 0, 0]:
                return None
            return upright(np.array(image), path.read_bytes())
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # read_image says what is wrong


def _codes(labels: np.ndarray) -> np.ndarray:
    """Labels as one number a pixel."""
    if labels.ndim == 3:
        red, green, blue = (labels[..., channel].astype(np.int32) for channel in range(3))
        return red << 16 | green << 8 | blue
    return labels if labels.dtype.kind == "u" else labels.astype(np.int64)


def _label_of_code(code: int, dimensions: int) -> Label:
    return (code >> 16, code >> 8 & 255, code & 255) if dimensions == 3 else code


def _solid_values(codes: np.ndarray) -> np.ndarray:
    """The values that somewhere cover 3x3 pixels."""
    exact = np.float32 if codes.dtype == np.int32 else np.float64  # colours have 24 bits
    image = codes if codes.dtype.itemsize <= 2 else codes.astype(exact)
    kernel = np.ones((3, 3), np.uint8)
    return np.unique(codes[cv2.erode(image, kernel) == cv2.dilate(image, kernel)])


def _with_soft_edges(labels: np.ndarray, label: Label) -> np.ndarray:
    """Pixels of a label, and those that are mixed of it and of nothing, it more than half."""
    full = np.atleast_1d(np.array(label, np.float32))
    if not full.any():
        return np.zeros(labels.shape[:2], bool)
    share = labels.reshape(*labels.shape[:2], -1) @ (full / (full @ full))
    return (share >= HALF) & (share < 1 + HALF)


def _listed(found: dict[Label, int]) -> str:
    if not found:
        return "no label but 0"
    named = [f"{label_text(label)} ({count} pixels)" for label, count in list(found.items())[:_NAMED_LABELS]]
    return "the labels " + ", ".join(named) + (", ..." if len(found) > _NAMED_LABELS else "")


def _is_hexadecimal(text: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in text)
