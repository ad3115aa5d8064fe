"""On a GPU networks say and learn what they do on a CPU. Skipped where there is none."""

import csv
import warnings
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from pose_tracker_ros.networks.crop import to_arrays
from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.torch_inference import torch_inference
from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.objects import generic_weights_path
from pose_tracker_ros.training.feed import Feed
from pose_tracker_ros.training.pairs import PairStream, loader
from pose_tracker_ros.training.reuse import joined
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.train import TrainConfig, train

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PAIRS = 24
SCENE = SceneConfig(resolution=96, random_shapes=1.0)


@pytest.fixture(scope="module")
def crops():
    generator = PairGenerator([], SCENE, seed=4, images=5)
    return to_arrays([generator.sample().crop for _ in range(PAIRS)])


@pytest.fixture(scope="module")
def network():
    return load_weights(generic_weights_path())[0].eval()


@pytest.fixture
def exact(monkeypatch):
    """Without the 10 bits of TF32, which convolutions take by default."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def differences(one, other, diameters):
    """Of translations in diameters, of rotations in degrees, (B,) each."""
    translation = np.linalg.norm(one.translation - other.translation, axis=1) / diameters
    return translation, np.degrees(np.linalg.norm(one.rotation - other.rotation, axis=1))


def test_the_same_crops_have_the_same_motion(crops, network, exact):
    """A depth that is looked up at a place that rounding moved to the next pixel may change one a little."""
    on_cpu, on_gpu = (torch_inference(network, device).predict(crops) for device in ("cpu", "cuda"))
    translation, rotation = differences(on_gpu, on_cpu, crops.diameter)
    assert np.median(translation) < 1e-4 and translation.max() < 0.02
    assert np.median(rotation) < 0.02 and rotation.max() < 2.0
    trace = [np.trace(one.information, axis1=1, axis2=2) for one in (on_cpu, on_gpu)]
    np.testing.assert_allclose(np.median(trace[1] / trace[0]), 1.0, atol=1e-3)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_fewer_bits_change_it_little(crops, network, dtype):
    """TF32, as tracking computes, and bfloat16, as training does: by less than what a pass leaves of an average residual."""
    expected = torch_inference(network, "cpu").predict(crops)
    on_gpu = torch_inference(network, "cuda")
    with torch.autocast("cuda", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        translation, rotation = differences(on_gpu.predict(crops), expected, crops.diameter)
    assert np.median(translation) < 0.01 and np.median(rotation) < 1.0


def test_a_pass_waits_for_the_gpu_once(crops, network):
    inference = torch_inference(network, "cuda")
    inference.predict(crops)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            inference.predict(crops)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [str(one.message) for one in caught if "synchroniz" in str(one.message)]
    assert len(waits) == 1, waits


def test_a_gpu_is_fed_what_a_cpu_is():
    config = replace(SCENE, resolution=32)
    fed = {}
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        stream = PairStream([], config, 4, seed=1, first_batch=0, curriculum=0)
        loaded = islice(loader(stream, 1, pinned=name == "cuda"), 12)
        feed = Feed((batch.to(device) for batch in joined((part.moved(device) for part in loaded), 8)), device)
        batches = []
        for _ in range(5):
            batches.append(feed.take())
            feed.prepare()
        fed[name] = [Crops(*(tensor.cpu() for tensor in batch.crops)) for batch in batches]
    for on_cpu, on_gpu in zip(*fed.values()):
        for one, other in zip(on_cpu, on_gpu):
            assert torch.equal(one, other)


def test_a_network_learns_on_a_gpu_from_pairs_seen_again(tmp_path):
    config = TrainConfig(
        network="refining",
        steps=30,
        batch_size=16,
        reuse=4,
        pool_pairs=64,
        workers=1,
        device="cuda",
        warmup_steps=0,
        curriculum_steps=30,
        validate_every=30,
        validation_pairs=64,
        closed_loop_frames=0,
        log_every=10,
    )
    _, info = load_weights(train([], replace(SCENE, resolution=32), config, tmp_path))
    with (tmp_path / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] and info.training["reuse"] == 4
