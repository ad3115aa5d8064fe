"""Symmetry-aware targets learn what naive ones cannot: the turn of a bowl with eight ribs about its axis.

A turn of 30 degrees looks like one of -15, so what is seen does not tell which one a naive target asks for.
"""

import numpy as np
import pytest
import torch

from pose_tracker_ros.geometry import make_pose, random_unit_vector, residual_between, rotation_angle, so3_exp
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.crop import to_tensors
from pose_tracker_ros.objects import ObjectModel, mesh_with_normals
from pose_tracker_ros.symmetries import symmetry_transforms
from pose_tracker_ros.training.optimisation import learning_rate, set_learning_rate
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig

pytestmark = pytest.mark.usefixtures("one_thread")
RIBS = 8
SCENE = SceneConfig(resolution=32, max_rotation_deg=40.0, max_translation=0.05)
STEPS, BATCH_SIZE, PAIRS, HELD_OUT = 200, 24, 1200, 128


def ribbed_bowl():
    """14 cm across its diagonal, ribs of another colour; the axis is z."""
    height, around = np.linspace(0, 1, 16), np.arange(8 * RIBS) * 2 * np.pi / (8 * RIBS)
    outside = np.column_stack([0.035 + 0.03 * np.sqrt(height), -0.03 + 0.06 * height])
    inside = (
        outside[::-1] - np.column_stack([np.full(16, 0.006), np.zeros(16)]) + [0, 0.006] * (height[::-1, None] < 0.5)
    )
    profile = np.vstack([[0, -0.03], outside, inside, [0, -0.024]])
    rib = np.cos(RIBS * around)
    is_outside = np.arange(len(profile)) <= len(outside)
    radius = profile[:, :1] * np.where(is_outside[:, None], 1 + 0.08 * rib, 1)
    level = np.broadcast_to(profile[:, 1:], radius.shape)
    vertices = np.stack([radius * np.cos(around), radius * np.sin(around), level], axis=-1).reshape(-1, 3)
    on_rib = (is_outside[:, None] & (rib > 0)).reshape(-1, 1)
    colors = np.where(on_rib, np.uint8([40, 60, 140]), np.uint8([220, 190, 120]))
    ring, place = np.meshgrid(np.arange(len(profile) - 1), np.arange(len(around)), indexing="ij")
    first, second = ring * len(around) + place, ring * len(around) + (place + 1) % len(around)
    quads = np.stack([first, second, second + len(around), first + len(around)], axis=-1).reshape(-1, 4)
    mesh = mesh_with_normals(vertices, np.vstack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), vertex_colors=colors)
    turns = so3_exp(np.arange(1, RIBS)[:, None] * (2 * np.pi / RIBS) * np.array([0, 0, 1.0]))
    return ObjectModel.from_mesh(
        "ribbed_bowl", mesh, discrete_symmetries=np.stack([make_pose(turn, np.zeros(3)) for turn in turns])
    )


class TurningBowls(PairGenerator):
    """Bowls seen from above or askew that turn about their axis, by more than from one rib to the next."""

    def _random_pose(self, model):
        generator = self._generator
        tilt = so3_exp(random_unit_vector(generator) * generator.uniform(0, 0.5))
        turn = so3_exp(np.array([0, 0, generator.uniform(0, 2 * np.pi)]))
        self.pose = make_pose(so3_exp(np.array([np.pi, 0, 0])) @ tilt @ turn, [0, 0, generator.uniform(0.4, 0.8)])
        return self.pose

    def _random_residual(self, model, center):
        angle = self._generator.uniform(-1, 1) * np.radians(self.config.max_rotation_deg)
        return random_unit_vector(self._generator) * 0.003, self.pose[:3, 2] * angle


    def _visible_residual(self, model, rendered_pose, observed_pose):
        self.naive_rotation = residual_between(rendered_pose, observed_pose, model.center_m)[1]
        return super()._visible_residual(model, rendered_pose, observed_pose)


def make_pairs(model, count, seed):
    """Crops, symmetric and naive targets (N, 6), and rotations (N, 3, 3) of the rendered poses, without defects."""
    generator = TurningBowls([model], SCENE, seed, images=3)
    generator.difficulty = 0.0
    crops, symmetric, naive, rotations = [], [], [], []
    for _ in range(count):
        pair = generator.sample()
        crops.append(pair.crop)
        symmetric.append(np.concatenate([pair.translation, pair.rotation]))
        naive.append(np.concatenate([pair.translation, generator.naive_rotation]))
        rotations.append(generator.pose[:3, :3])
    symmetric, naive = (torch.from_numpy(np.array(targets)).float() for targets in (symmetric, naive))
    return to_tensors(crops).to("cpu"), symmetric, naive, np.array(rotations)


def train_on(crops, targets):
    torch.manual_seed(0)
    network = create_network("compact", SCENE.max_translation, np.radians(SCENE.max_rotation_deg)).train()
    network.set_statistics(crops)
    optimizer = torch.optim.AdamW(network.parameters())
    for step in range(STEPS):
        set_learning_rate(optimizer, learning_rate(step, STEPS, 3e-3, 20))
        chosen = torch.randint(len(targets), (BATCH_SIZE,))
        batch = type(crops)(*(tensor[chosen] for tensor in crops))
        loss = network.loss(batch, targets[chosen, :3], targets[chosen, 3:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    return network.eval()


def errors_deg(model, predicted, targets, rotations):
    """Angles from the predicted poses to the nearest of all poses that look like the true ones."""
    symmetries = symmetry_transforms(model)[:, :3, :3]
    errors = []
    for estimate, target, rotation in zip(predicted, targets[:, 3:].double().numpy(), rotations):
        difference = rotation.T @ so3_exp(estimate).T @ so3_exp(target) @ rotation
        errors.append(min(rotation_angle(difference @ symmetry) for symmetry in symmetries))
    return np.degrees(errors)


def test_a_bowl_with_ribs_is_learnt_with_symmetric_targets_and_not_with_naive_ones():
    model = ribbed_bowl()
    held_out, truth, _, rotations = make_pairs(model, HELD_OUT, seed=2)
    median = {"left as it is": np.median(errors_deg(model, np.zeros((HELD_OUT, 3)), truth, rotations))}
    crops, symmetric, naive, _ = make_pairs(model, PAIRS, seed=1)
    for name, targets in (("symmetric targets", symmetric), ("naive targets", naive)):
        network = train_on(crops, targets)
        with torch.inference_mode():
            predicted = network.predict(held_out).rotation.double().numpy()
        median[name] = np.median(errors_deg(model, predicted, truth, rotations))
    print({name: f"{value:.1f} deg" for name, value in median.items()})
    assert median["symmetric targets"] < 0.5 * median["left as it is"]
    assert median["naive targets"] > 0.75 * median["left as it is"]
