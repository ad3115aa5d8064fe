"""How fast pairs are made."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import torch

from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.pairs import make_batch
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig

BATCH_SIZE = 32
# Images and shapes that stay in use for long are made at the start; these batches are not counted.
UNCOUNTED_BATCHES = 20


def pairs_per_second(models: Sequence[ObjectModel], scene: SceneConfig, pairs: int, seed: int = 0) -> float:
    """Pairs made in a second of one core: rendered, composed, augmented and put into a batch's tensors.

    Counted is the time of this process alone, so that other programs change the result little.
    """
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        generator = PairGenerator(models, scene, seed)
        for _ in range(UNCOUNTED_BATCHES):
            make_batch(generator, BATCH_SIZE)
        batches = max(1, round(pairs / BATCH_SIZE))
        start = time.process_time()
        for _ in range(batches):
            make_batch(generator, BATCH_SIZE)
        return batches * BATCH_SIZE / (time.process_time() - start)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
