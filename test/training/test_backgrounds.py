"""Backgrounds are cut from procedural images and from the user's folder, whatever is in that."""

import logging

import cv2
import numpy as np
import pytest
from training_scenes import MAGENTA, scene_of, write_magenta_folder

from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.backgrounds import (
    FOLDER_IMAGES_IN_USE,
    FOLDER_SHARE,
    FOLDER_SIDE_PX,
    FolderImages,
    ImageSource,
    background,
)
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture
def magenta_folder(tmp_path):
    return write_magenta_folder(tmp_path)


def test_backgrounds_come_from_the_folder(cube, magenta_folder):
    camera, _, _ = scene_of(cube)
    generator = np.random.default_rng(0)
    source = ImageSource(str(magenta_folder), generator, procedural=5)
    shares = [(background(camera, 0.6, 0.2, source, generator).color == MAGENTA).all(axis=2).mean() for _ in range(300)]
    assert np.mean(shares) == pytest.approx(FOLDER_SHARE, abs=0.06)
    alone = ImageSource(str(magenta_folder), generator, procedural=0)
    assert (background(camera, 0.6, 0.2, alone, generator).color == MAGENTA).all()


def test_backgrounds_are_behind_the_object(cube):
    camera, _, rendering = scene_of(cube)
    generator = np.random.default_rng(0)
    source = ImageSource("", generator, procedural=5)
    for _ in range(100):
        depth = background(camera, 0.6, cube.diameter_m, source, generator).depth
        covered = (depth > 0) & (depth < rendering.depth) & rendering.mask
        assert covered.mean() < 0.25


def test_a_pair_shows_the_folders_colours_around_the_object(cube, magenta_folder):
    config = SceneConfig(
        resolution=64,
        backgrounds=str(magenta_folder),
        augmentation="none",
        occlusion=0.0,
        distractors=0.0,
        no_depth=0.0,
    )
    pairs = PairGenerator([cube], config, seed=0, images=0)
    for _ in range(5):
        crop = pairs.sample().crop
        assert (crop.color == MAGENTA).all(axis=2).mean() > 0.3


def test_unreadable_images_are_skipped_with_a_warning(magenta_folder, caplog):
    (magenta_folder / "broken.jpg").write_bytes(b"no image")
    whole = (magenta_folder / "some" / "wall.png").read_bytes()
    (magenta_folder / "cut_off.png").write_bytes(whole[: len(whole) // 2])
    (magenta_folder / "notes.txt").write_text("not even tried")
    generator = np.random.default_rng(0)
    with caplog.at_level(logging.WARNING):
        images = FolderImages(magenta_folder)
        assert all((images.draw(generator) == MAGENTA).all() for _ in range(50))
    warned = [record.getMessage() for record in caplog.records]
    assert [
        name for name in ("broken.jpg", "cut_off.png", "wall.png", "notes.txt") if any(name in text for text in warned)
    ] == [
        "broken.jpg",
        "cut_off.png",
    ]
    assert len(warned) == 2


def test_folders_without_images_are_named(tmp_path, cube):
    with pytest.raises(FileNotFoundError, match="option backgrounds"):
        PairGenerator([cube], SceneConfig(backgrounds=str(tmp_path / "nowhere")), seed=0, images=1)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="at least one readable image"):
        PairGenerator([cube], SceneConfig(backgrounds=str(tmp_path)), seed=0, images=1)


def test_few_and_small_images_are_kept_and_others_take_their_place(tmp_path):
    for number in range(FOLDER_IMAGES_IN_USE + 30):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((3, 900, 3), number, np.uint8))
    images, generator = FolderImages(tmp_path), np.random.default_rng(0)
    drawn = [images.draw(generator) for _ in range(6000)]
    assert len(images._images) <= FOLDER_IMAGES_IN_USE
    assert max(max(image.shape[:2]) for image in drawn) == FOLDER_SIDE_PX
    assert len({int(image[0, 0, 0]) for image in drawn}) > FOLDER_IMAGES_IN_USE


def test_colour_images_are_read_as_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "red.jpg"), np.full((64, 64, 3), (10, 20, 240), np.uint8))
    assert FolderImages(tmp_path).draw(np.random.default_rng(0))[5, 5].astype(int) == pytest.approx(
        [240, 20, 10], abs=4
    )
