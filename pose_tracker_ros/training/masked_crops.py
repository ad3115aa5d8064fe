"""Masked crops of one object with its pose, made on the fly: what DenseFusion is trained with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.initialization.fusion_input import PointSample, make_input, stack_inputs, turned_input
from pose_tracker_ros.initialization.observation import InitializationError, observe
from pose_tracker_ros.networks.dense_fusion import FusionInput
from pose_tracker_ros.networks.fusion_weights import FusionInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig

# Crops are dearer to make than to learn from: each is seen in so many of its quarter turns.
TURNS_PER_CROP = 2


class MaskedCrop(NamedTuple):
    """A sample with the true pose (4, 4) camera_T_object."""

    sample: PointSample
    camera_T_object: np.ndarray


class MaskedCropGenerator(PairGenerator):
    """An endless, reproducible source of masked crops of one object in the scenes of the residual network's training."""

    def __init__(self, model: ObjectModel, scene: SceneConfig, info: FusionInfo, seed: int, images: int = 150) -> None:
        super().__init__([model], scene, seed, images)
        self._info = info

    def sample(self) -> MaskedCrop:
        """The next crop; tries again when too little of the object would be seen."""
        while True:
            crop = self._attempt()
            if crop is not None:
                return crop

    def turned(self, sample: PointSample, count: int) -> list[PointSample]:
        """``count`` different quarter turns of a sample, at random."""
        return [turned_input(sample, int(turn)) for turn in self._generator.choice(4, count, replace=False)]

    def _attempt(self) -> MaskedCrop | None:
        generator, config, info = self._generator, self.config, self._info
        model, renderer = self._choose_object()
        pose = self._random_pose(model)
        center = pose[:3, :3] @ model.center_m + pose[:3, 3]
        camera = crop_camera(center, config.crop_margin * model.diameter_m, config.resolution)
        hard = generator.random() < self.difficulty
        seen = self.observe(model, camera, renderer.render(camera, pose), pose, hard)
        if seen is None or not seen.mask.any():
            return None
        mask = degrade_mask(seen.mask, generator) if hard else seen.mask
        frame = Frame(seen.color, seen.depth, camera, stamp=0.0)
        try:
            observation = observe(frame, mask, model.diameter_m)
            sample = make_input(
                observation, model.diameter_m, model.center_m, info.resolution, info.crop_margin, info.points, generator
            )
        except InitializationError:
            return None
        return MaskedCrop(sample, pose)


def degrade_mask(mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A mask (R, R) bool as segmentation gives it: too small or large, with holes, or partly on something else."""
    pixels = mask.astype(np.uint8)
    if generator.random() < 0.5:
        size = int(generator.choice([2, 3, 3, 5]))
        change = cv2.erode if generator.random() < 0.5 else cv2.dilate
        pixels = change(pixels, np.ones((size, size), np.uint8))
    rows, columns = np.nonzero(mask)
    for share, value in ((0.2, 0), (0.2, 1)):
        if generator.random() < share:
            at = int(generator.integers(len(rows)))
            radius = max(2, int(np.sqrt(mask.sum()) * generator.uniform(0.05, 0.3)))
            cv2.circle(pixels, (int(columns[at]), int(rows[at])), radius, value, -1)
    return pixels.astype(bool)


class FusionBatch(NamedTuple):
    """Inputs with true poses in the inputs' frames: rotation (B, 3, 3), translation (B, 3) in diameters."""

    inputs: FusionInput
    rotation: torch.Tensor
    translation: torch.Tensor

    def to(self, device: torch.device | str) -> FusionBatch:
        """The same batch in float32 on a device."""
        return FusionBatch(
            self.inputs.to(device), self.rotation.to(device).float(), self.translation.to(device).float()
        )


def make_fusion_batch(generator: MaskedCropGenerator, size: int) -> FusionBatch:
    """``size`` inputs, turns of fewer crops, as tensors; half precision for images, as they travel between processes."""
    samples, poses = [], []
    while len(samples) < size:
        crop = generator.sample()
        for turned in generator.turned(crop.sample, min(TURNS_PER_CROP, size - len(samples))):
            samples.append(turned)
            poses.append(turned.frame.pose_from_camera(crop.camera_T_object))
    inputs = stack_inputs(samples)
    return FusionBatch(
        inputs._replace(image=inputs.image.half()),
        torch.from_numpy(np.stack([rotation for rotation, _ in poses])).float(),
        torch.from_numpy(np.stack([translation for _, translation in poses])).float(),
    )


class MaskedCropStream(IterableDataset):
    """Endless batches; see :class:`pose_tracker_ros.training.pairs.PairStream`, of which the parameters are the same."""

    def __init__(
        self,
        model: ObjectModel,
        scene: SceneConfig,
        info: FusionInfo,
        batch_size: int,
        seed: int,
        first_batch: int,
        curriculum: int,
    ) -> None:
        self._model, self._scene, self._info = model, scene, info
        self._batch_size, self._seed = batch_size, seed
        self._first_batch, self._curriculum = first_batch, curriculum

    def __iter__(self) -> Iterator[FusionBatch]:
        worker = get_worker_info()
        index, count = (worker.id, worker.num_workers) if worker else (0, 1)
        seed = hash((self._seed, self._first_batch, index)) % 2**32
        generator = MaskedCropGenerator(self._model, self._scene, self._info, seed)
        batch = self._first_batch + index
        while True:
            generator.difficulty = min(1.0, batch / max(self._curriculum, 1))
            yield make_fusion_batch(generator, self._batch_size)
            batch += count
