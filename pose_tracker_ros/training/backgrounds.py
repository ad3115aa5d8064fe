"""Images that scenes are made of, procedural ones and the user's, and the background cut from them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import random_unit_vector
from pose_tracker_ros.training.layers import Layer
from pose_tracker_ros.training.textures import random_image

logger = logging.getLogger(__name__)

PROCEDURAL_SIDE_PX = 192
# Images of a folder are shrunk to this length and kept, so many at a time; each is seen about so often.
FOLDER_SIDE_PX = 320
FOLDER_IMAGES_IN_USE = 100
USES_OF_FOLDER_IMAGE = 30
# With a folder, the other images remain procedural.
FOLDER_SHARE = 0.8
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


class FolderImages:
    """Images of a folder and its subfolders in random order; at most 100 small ones are in memory."""

    def __init__(self, folder: str | Path) -> None:
        """Raises FileNotFoundError without such a folder, ValueError when no image in it can be read."""
        folder = Path(folder).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(
                f"expected a folder of images at {folder}, but there is none; check the option backgrounds"
            )
        self._paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        self._images: list[np.ndarray] = []
        while self._paths and self._read(0) is None:
            pass
        if not self._paths:
            raise ValueError(
                f"expected at least one readable image ({', '.join(sorted(IMAGE_SUFFIXES))}) in {folder}, found none; "
                "name another folder as backgrounds, or leave it empty for procedural backgrounds alone"
            )

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """An image (H, W, 3) uint8 RGB with a longer side of at most 320 pixels."""
        place = int(generator.integers(FOLDER_IMAGES_IN_USE))
        if place < len(self._images) and generator.random() >= 1 / USES_OF_FOLDER_IMAGE:
            return self._images[place]
        image = None
        while image is None:
            # The first image was readable when the folder was opened; if that changed there may be none left.
            if not self._paths:
                raise FileNotFoundError("all background images became unreadable; is their folder still there?")
            image = self._read(int(generator.integers(len(self._paths))))
        self._images[place : place + 1] = [image]
        return image

    def _read(self, number: int) -> np.ndarray | None:
        """An image; None, with a warning and forgotten, when it cannot be read."""
        path = self._paths[number]
        try:
            # Of images that would need gigabytes Pillow only warns.
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(path)
            with image:
                # JPEG files can be read at a fraction of their size, which is much faster.
                image.draft("RGB", (FOLDER_SIDE_PX, FOLDER_SIDE_PX))
                image = image.convert("RGB")
                image.thumbnail((FOLDER_SIDE_PX, FOLDER_SIDE_PX))
                return np.asarray(image, dtype=np.uint8)
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombWarning,
            Image.DecompressionBombError,
        ) as error:
            logger.warning("skipping the background image %s, which cannot be read: %s", path, error)
            del self._paths[number]
            return None


class ImageSource:
    """Random images to cut backgrounds and textures of occluders from."""

    def __init__(self, folder: str, generator: np.random.Generator, procedural: int) -> None:
        """``folder`` of a user's images, "" for none; ``procedural``: number of images drawn beforehand.

        Raises as :class:`FolderImages`.
        """
        self._folder = FolderImages(folder) if folder else None
        self._procedural = [random_image(PROCEDURAL_SIDE_PX, generator) for _ in range(procedural)]

    def cut(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """A random part (size, size, 3) float32 0..255 of a random image, flipped and enlarged at random."""
        image = self._draw(generator)
        side = min(image.shape[:2])
        span = int(generator.integers(min(max(size // 3, 1), side), min(size, side) + 1))
        row = int(generator.integers(0, image.shape[0] - span + 1))
        column = int(generator.integers(0, image.shape[1] - span + 1))
        part = image[row : row + span, column : column + span]
        part = part[:: generator.choice([-1, 1]), :: generator.choice([-1, 1])]
        return cv2.resize(np.ascontiguousarray(part), (size, size)).astype(np.float32)

    def _draw(self, generator: np.random.Generator) -> np.ndarray:
        if self._folder is not None and (not self._procedural or generator.random() < FOLDER_SHARE):
            return self._folder.draw(generator)
        return self._procedural[int(generator.integers(len(self._procedural)))]


def background(
    camera: PinholeCamera, distance: float, diameter_m: float, images: ImageSource, generator: np.random.Generator
) -> Layer:
    """A wall behind the object, or nothing measurable there, and often a plane on which it might stand."""
    size = camera.width
    color = images.cut(size, generator)
    wall = distance + diameter_m * generator.uniform(0.4, 8.0)
    depth = np.full((size, size), wall if generator.random() < 0.8 else 0, np.float32)
    if generator.random() < 0.7:
        normal = random_unit_vector(generator).astype(np.float32)
        normal[2] = -abs(normal[2])
        rays = camera.rays()
        center = rays[size // 2, size // 2] * distance
        offset = float(normal @ center) - diameter_m * generator.uniform(0.2, 0.6)
        with np.errstate(divide="ignore"):
            plane = np.float32(offset) / (rays.reshape(-1, 3) @ normal).reshape(size, size)
        on_plane = (plane > 0.05) & (plane < 10) & ((plane < depth) | (depth == 0))
        cv2.copyTo(plane, on_plane.view(np.uint8), depth)
        cv2.copyTo(images.cut(size, generator), on_plane.view(np.uint8), color)
    return Layer(color, depth)
