"""Training of PoseNet for one mapped place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import nn

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.configuration import option
from pose_tracker_ros.datasets.sequence import IndexedSequence
from pose_tracker_ros.evaluation.camera_poses import CameraPoseScore, score_camera_poses
from pose_tracker_ros.evaluation.nearest_view import NearestView
from pose_tracker_ros.networks.losses import LossTerms
from pose_tracker_ros.networks.posenet import NETWORKS, PoseNet
from pose_tracker_ros.networks.posenet_losses import LOSSES, PoseLoss, PoseTruth
from pose_tracker_ros.networks.posenet_trunks import load_torchvision_googlenet
from pose_tracker_ros.networks.posenet_weights import FILE_NAME, PoseNetInfo, save_posenet
from pose_tracker_ros.relocalization.regressor import Regressor
from pose_tracker_ros.training.camera_views import (
    BatchOptions,
    CameraView,
    CameraViewStream,
    network_camera,
    read_views,
    reference_pose,
)
from pose_tracker_ros.training.distributed import Processes, joined_processes
from pose_tracker_ros.training.loop import PROCESS_SEED_STEP, Judge, Trainee, Verdict, run_loop
from pose_tracker_ros.training.options import LoopConfig
from pose_tracker_ros.training.room_surface import SyntheticViews, fuse

# So many frames are enough for a surface, and so many tell whether there is depth.
FUSED_FRAMES, PROBED_FRAMES = 300, 3
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoseNetTrainConfig(LoopConfig):
    """Options of the training of PoseNet."""

    steps: int = option(2000, "Optimisation steps", minimum=1)
    gradient_clip: float = option(20.0, "Longest gradient that is taken as it is; 0 = any", minimum=0.0)
    network: str = option(
        "light",
        "Trunk: light (trains on a CPU), googlenet (as published: Caffe's) or googlenet_torchvision",
        choices=NETWORKS,
    )
    loss: str = option(
        "learned",
        "Loss: beta (2015), learned weights, or geometric: reprojection after a beginning with learned weights (2017)",
        choices=LOSSES,
    )
    beta: float = option(250.0, "Weight of the quaternion in loss beta; indoors 120 to 750", minimum=0.0)
    geometric_from: float = option(
        0.5, "Share of the steps after which loss geometric is geometric", minimum=0.0, maximum=1.0
    )
    short_side: int = option(96, "Shorter side of images in pixels; 256 as published", minimum=32, maximum=1024)
    crop: int = option(0, "Side of the crops that the network sees, 224 for GoogLeNet; 0 = whole images", minimum=0)
    random_crops: bool = option(True, "Crops anywhere in the image while training, or in its middle")
    dropout: float = option(0.2, "Share of the feature that is dropped; 0.5 as published", minimum=0.0, maximum=0.9)
    color_defects: bool = option(True, "Images with changes of light, blur and noise")
    turn_deg: float = option(
        3.0,
        "Standard deviation of turns of the camera about its centre, for which images are warped",
        minimum=0.0,
        maximum=30.0,
    )
    synthetic_views: int = option(
        3000, "Views rendered from the surface that the frames' depth gives; 0 = none", minimum=0, maximum=100_000
    )
    synthetic_share: float = option(0.5, "Share of images that are synthetic views", minimum=0.0, maximum=1.0)
    view_offset_m: float = option(
        0.2, "How far their cameras are from those of frames, per axis", minimum=0.0, maximum=5.0
    )
    view_turn_deg: float = option(8.0, "How far they are turned against those, per axis", minimum=0.0, maximum=90.0)
    voxel_m: float = option(0.02, "Resolution of the surface", minimum=0.002, maximum=0.5)
    held_out_every: int = option(
        5, "Every so many-th frame is for validation, unless there is a sequence for that; 0 = none", minimum=0
    )


def train_posenet(
    sequence: IndexedSequence,
    config: PoseNetTrainConfig,
    output: Path,
    held_out: IndexedSequence | None = None,
    overfit: int = 0,
    googlenet_weights: Path | None = None,
) -> Path:
    """Train PoseNet on a sequence with poses and write ``output`` / posenet.safetensors; returns its path.

    ``held_out``: a sequence in the same map for validation. ``overfit``: learn so many frames, evenly spread, and validate
    with the same: whether a network can learn at all. ``googlenet_weights``: torchvision's state dict, to start from.
    Started by torchrun, several processes share every batch.
    Resumes, and raises, as :func:`pose_tracker_ros.training.loop.run_loop`; ValueError without poses.
    """
    with joined_processes(config.device) as processes:

        def make() -> PoseNetTrainee:
            return PoseNetTrainee(sequence, config, held_out, overfit, googlenet_weights, processes)

        return run_loop(make, config, {}, output, processes)


class PoseStep(nn.Module):
    """PoseNet with its loss as a module, so that its forward pass can be shared by several processes."""

    def __init__(self, network: PoseNet, loss: PoseLoss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(
        self,
        images: torch.Tensor,
        corners: torch.Tensor,
        position: torch.Tensor,
        quaternion: torch.Tensor,
        points: torch.Tensor,
    ) -> LossTerms:
        """Parameters: the parts of a PoseBatch."""
        poses = self.network(self.network.prepare(images, corners))
        with torch.autocast(position.device.type, enabled=False):
            return self.loss(poses, PoseTruth(position, quaternion, points))


class PoseNetTrainee(Trainee):
    """See :class:`pose_tracker_ros.training.loop.Trainee`."""

    weights_name = FILE_NAME
    columns = ("position_m", "orientation_deg", "recall")

    def __init__(
        self,
        sequence: IndexedSequence,
        config: PoseNetTrainConfig,
        held_out: IndexedSequence | None,
        overfit: int,
        googlenet_weights: Path | None,
        processes: Processes,
    ) -> None:
        """Reads all images; see :func:`train_posenet`."""
        self._config, self._processes = config, processes
        self._camera = network_camera(sequence.camera, config.short_side)
        training, validation = split_positions(len(sequence), 0 if held_out else config.held_out_every, overfit)
        self._views = self._read(sequence, training)
        self._held_out = self._read(held_out, range(len(held_out))) if held_out else self._read(sequence, validation)
        self._synthetic = self._make_synthetic(sequence, training)
        self._reference = reference_pose(self._views)
        self._info = PoseNetInfo(
            network=config.network,
            camera=tuple(asdict(self._camera).values()),
            crop=config.crop,
            dropout=config.dropout,
            map_T_reference=tuple(map(tuple, self._reference.tolist())),
            training=asdict(config),
        )
        self.network = self._info.make_network()
        if googlenet_weights is not None:
            if config.network != "googlenet_torchvision":
                raise ValueError(
                    f"expected network=googlenet_torchvision for torchvision's weights {googlenet_weights}, got {config.network}"
                )
            load_torchvision_googlenet(googlenet_weights, self.network.trunk, self.network.auxiliary_looks)
        focal_px, largest_px = (self._camera.fx, self._camera.fy), float(self._camera.width)
        self._loss = PoseLoss(config.loss, config.beta, focal_px, largest_px)
        self.step = PoseStep(self.network, self._loss)
        self.parts = {} if self._loss.log_variances is None else {"loss": self._loss}

    def stream(self, first_step: int) -> CameraViewStream:
        """See :class:`Trainee`."""
        config, processes = self._config, self._processes
        options = BatchOptions(
            self._camera,
            config.crop,
            config.random_crops,
            config.color_defects,
            np.radians(config.turn_deg),
            config.synthetic_share,
        )
        share, seed = processes.share_of(config.batch_size), config.seed + PROCESS_SEED_STEP * processes.rank
        return CameraViewStream(self._views, self._synthetic, self._reference, options, share, seed, first_step)

    def begin(self, share: float) -> None:
        """After its share of the run the geometric loss begins."""
        self._loss.begun = share >= self._config.geometric_from

    def judge(self) -> PoseNetJudge:
        """See :class:`Trainee`."""
        return PoseNetJudge(self._views, self._held_out, self._camera, self._info, str(self._processes.device))

    def start_from_scratch(self, judge: Judge) -> None:
        """The mean image is that of the training images; torchvision's network has its own normalisation."""
        if self._config.network != "googlenet_torchvision":
            mean = np.mean([view.color for view in self._views], axis=0, dtype=np.float64)
            self.network.mean_image.copy_(torch.from_numpy(mean).permute(2, 0, 1))

    def _read(self, sequence: IndexedSequence, positions: Sequence[int]) -> list[CameraView]:
        views = read_views(sequence, self._shown(positions, "reading images"), self._camera)
        if not views:
            raise ValueError(
                f"expected frames with the camera's pose in {sequence.name!r} for training and validation, got none of "
                f"{len(positions)}; name a sequence that has them"
            )
        return views

    def _make_synthetic(self, sequence: IndexedSequence, positions: Sequence[int]) -> list[CameraView]:
        config = self._config
        if not config.synthetic_views:
            return []
        chosen = positions[:: -(-len(positions) // FUSED_FRAMES)]
        if not any(sequence.read(position).depth.any() for position in chosen[:PROBED_FRAMES]):
            logger.warning("%s has no depth, so there are no synthetic views", sequence.name)
            return []
        frames = (sequence.read(position) for position in self._shown(chosen, "fusing the surface"))
        posed = (frame for frame in frames if frame.world_T_camera is not None and frame.depth.any())
        surface = fuse(posed, config.voxel_m)
        source = SyntheticViews(
            surface, self._camera, self._views, config.view_offset_m, config.view_turn_deg, config.seed
        )
        views = [source.next() for _ in self._shown(range(config.synthetic_views), "rendering views")]
        return [view for view in views if view is not None]

    def _shown(self, numbers: Sequence[int], text: str) -> Sequence[int]:
        """The numbers, with a progress bar in the first process."""
        return track(numbers, text, disable=not self._processes.is_first)


class PoseNetJudge(Judge):
    """Errors on held-out views, beside those of the nearest training view."""

    def __init__(
        self,
        views: Sequence[CameraView],
        held_out: Sequence[CameraView],
        camera: PinholeCamera,
        info: PoseNetInfo,
        device: str,
    ) -> None:
        self._held_out, self._camera, self._info, self._device = held_out, camera, info, device
        self._truths = [view.map_T_camera for view in held_out]
        nearest = NearestView([view.color for view in views], [view.map_T_camera for view in views])
        self.by_look = score_camera_poses([nearest.by_look(view.color) for view in held_out], self._truths)
        self.by_pose = score_camera_poses([nearest.by_pose(truth) for truth in self._truths], self._truths)

    def score(self, network: PoseNet) -> CameraPoseScore:
        """Of the poses that a network gives."""
        regress = Regressor(network, self._info, device=self._device)
        return score_camera_poses(
            [regress(view.color, self._camera).map_T_camera for view in self._held_out], self._truths
        )

    def validate(self, network: PoseNet) -> Verdict:
        """See :class:`Judge`."""
        score = self.score(network)
        row = {"position_m": score.position_m, "orientation_deg": score.orientation_deg, "recall": score.recall}
        text = f"{score}; the training image that looks nearest: {self.by_look}; that is nearest: {self.by_pose}"
        # Neither error counts more: halving either is worth the same.
        return Verdict(row, text, float(np.sqrt(score.position_m * score.orientation_deg)))

    def save(self, path: Path, network: PoseNet, examples: int) -> None:
        """See :class:`Judge`."""
        save_posenet(path, network, replace(self._info, examples=examples))


def split_positions(count: int, held_out_every: int, overfit: int) -> tuple[list[int], list[int]]:
    """Positions of frames for training and for validation; the same for both when some frames are to be overfitted.

    Raises ValueError where none would be left for one of them.
    """
    positions = list(range(count))
    if overfit:
        chosen = np.unique(np.linspace(0, count - 1, min(overfit, count)).round().astype(int)).tolist()
        return chosen, chosen
    if not held_out_every:
        return positions, positions
    if not 1 < held_out_every <= count:
        raise ValueError(
            f"expected held_out_every from 2 to the {count} frames there are, got {held_out_every}: one part of them would be "
            "empty; set another, or 0 to validate with the frames that are trained with"
        )
    validation = positions[held_out_every - 1 :: held_out_every]
    return [position for position in positions if position not in set(validation)], validation
