"""Every runtime says what torch says, without torch where it is not needed, and in a sentence where it cannot."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from dome import RESOLUTION, dome_crops
from tracking_scenes import START, frame_of

from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.networks import inference, openvino_inference
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.crop import to_arrays
from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.inference import EXPORTED, load_inference
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import generic_weights_path, load_object
from pose_tracker_ros.rendering.raster import RasterRenderer

pytestmark = pytest.mark.usefixtures("one_thread")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs OpenVINO")
RUNTIMES = ("torch", pytest.param("openvino", marks=needs_openvino))


@pytest.fixture
def weights(tmp_path):
    """Makes files of random weights of an architecture."""

    def make(architecture):
        torch.manual_seed(0)
        path = tmp_path / f"{architecture}.safetensors"
        network = create_network(architecture, 0.2, 0.35)
        network.set_statistics(dome_crops())
        if architecture == "refining":
            torch.nn.init.normal_(network.refine_head.weight, std=0.05)
        save_weights(path, network, WeightsInfo({}, architecture, RESOLUTION, 1.5, 0.2, 0.35))
        return path

    return make


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache of its own; returns where the files of networks come."""
    monkeypatch.setattr(openvino_inference, "CACHE_FOLDER", tmp_path)
    return tmp_path / "networks"


@pytest.fixture(scope="module")
def cube_crops():
    """The network for any object's crops of the cube, off by up to 0.15 diameters and 20 degrees."""
    cube = load_object("cube")
    network, renderer = MotionNetwork.load(generic_weights_path(), "cpu", "torch"), RasterRenderer(cube.mesh)
    frame = frame_of(cube, START)
    starts = [perturbed(cube, START, 0.05 * n * cube.diameter_m, 6.0 * n, seed=n) for n in range(4)]
    return to_arrays([network._crop(frame, (cube, renderer, start), (0.1, 4.0)) for start in starts])


def by_training(path, crops):
    """Residuals as networks are trained, all in torch."""
    network, _ = load_weights(path)
    with torch.inference_mode():
        return [part.double().numpy() for part in network.predict(Crops(*map(torch.from_numpy, crops)))]


def assert_equal(found, expected, diameter, tolerance_d, tolerance_rad):
    assert np.abs(expected[0]).max() > 10 * tolerance_d * diameter
    assert np.abs(found.translation - expected[0]).max() < tolerance_d * diameter
    assert np.abs(found.rotation - expected[1]).max() < tolerance_rad
    assert found.information == pytest.approx(expected[2], rel=0.05, abs=1e-3 * np.abs(expected[2]).max())


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("architecture", EXPORTED)
def test_it_is_what_training_computes(weights, empty_cache, architecture, runtime):
    path, crops = weights(architecture), Crops(*(tensor.numpy() for tensor in dome_crops()))
    network, _ = load_inference(path, "cpu", runtime)
    assert_equal(network.predict(crops), by_training(path, crops), 0.15, 2e-5, 1e-4)


@needs_openvino
def test_bfloat16_stays_within_its_tolerance(cube_crops):
    """Here by the hint: a processor without such instructions computes in float32, which is nearer still."""
    info = inference.read_info(generic_weights_path())
    network = openvino_inference.load_openvino(generic_weights_path(), info)
    expected = by_training(generic_weights_path(), cube_crops)
    assert_equal(network.predict(cube_crops), expected, cube_crops.diameter[0], 2e-3, 1e-2)


@needs_openvino
def test_a_batch_says_the_same_as_its_parts(cube_crops):
    network, _ = load_inference(generic_weights_path(), "cpu", "openvino")
    together = network.predict(cube_crops)
    for number in reversed(range(len(cube_crops.rendered))):
        alone = network.predict(Crops(*(array[number : number + 1] for array in cube_crops)))
        assert all(np.array_equal(one[0], other[number]) for one, other in zip(alone, together))


@needs_openvino
def test_nothing_of_torch_is_loaded_to_track_with_openvino():
    """A robot is ready sooner; and nobody is told that OpenVINO is used."""
    load_inference(generic_weights_path(), "cpu", "openvino")  # exported, if it was not
    program = (
        "import sys; from pose_tracker_ros.objects import load_object; from pose_tracker_ros.tracking import *; "
        "tracker = Tracker.load([load_object('demo_jug')], TrackerConfig(network='always', device='cpu', runtime='openvino')); "
        "tracker.warm_up(); print(tracker.device); "
        "print([name for name in ('torch', 'openvino_telemetry', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["cpu (openvino, f32)", "['openvino']"]


@needs_openvino
@pytest.mark.parametrize("damage", ["cut", "garbled", "not ours"])
def test_a_damaged_export_is_made_anew(weights, empty_cache, caplog, damage):
    path, crops = weights("compact"), Crops(*(tensor.numpy() for tensor in dome_crops()))
    expected = load_inference(path, "cpu", "openvino")[0].predict(crops)
    (file,) = empty_cache.iterdir()
    content = file.read_bytes()
    if damage == "not ours":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("fit.json", "{}")
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] + (b"" if damage == "cut" else bytes(200) + content[middle + 200 :]))
    caplog.clear()
    found = load_inference(path, "cpu", "openvino")[0].predict(crops)
    assert np.array_equal(found.translation, expected.translation)
    assert "damaged" in caplog.text and list(empty_cache.iterdir()) == [file]
    caplog.clear()
    load_inference(path, "cpu", "openvino")
    assert not caplog.text


@needs_openvino
def test_other_weights_have_an_export_of_their_own(weights, empty_cache, monkeypatch):
    monkeypatch.setattr(openvino_inference, "KEPT_FILES", 2)
    path = weights("compact")
    exported = []
    for seed in range(3):
        network, info = load_weights(path)
        torch.nn.init.normal_(network.head.bias, generator=torch.Generator().manual_seed(seed))
        save_weights(path, network, info)
        load_inference(path, "cpu", "openvino")
        exported.append({file.name for file in empty_cache.iterdir()})
    assert [len(names) for names in exported] == [1, 2, 2]
    assert exported[0] < exported[1] != exported[2]


def test_without_openvino_torch_takes_over_and_says_so_once(weights, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openvino", None)
    for remembered in (inference._missing_openvino, inference._say_once):
        remembered.cache_clear()
    path = weights("compact")
    for _ in range(2):
        network, _ = load_inference(path, "cpu")
        assert network.device == "cpu (torch)"
    assert len(caplog.records) == 1 and "pip install openvino" in caplog.text
    with pytest.raises(ValueError, match="pip install openvino.*set runtime to auto or torch"):
        load_inference(path, "cpu", "openvino")
    inference._missing_openvino.cache_clear()


def test_the_published_network_runs_through_torch_alone(weights):
    path, crops = weights("published"), Crops(*(tensor.numpy() for tensor in dome_crops()))
    network, _ = load_inference(path, "cpu")
    assert network.device == "cpu (torch)"
    found, expected = network.predict(crops), by_training(path, crops)
    assert found.translation == pytest.approx(expected[0], abs=1e-7)
    assert found.rotation == pytest.approx(expected[1], abs=1e-5)
    with pytest.raises(ValueError, match="'published' run through torch alone"):
        load_inference(path, "cpu", "openvino")


@needs_openvino
def test_bfloat16_is_refused_where_the_processor_has_none(monkeypatch):
    class Plain:
        def get_property(self, *_):
            return ["FP32"]

    monkeypatch.setattr(openvino_inference, "_core", Plain)
    with pytest.raises(ValueError, match="no bfloat16 instructions"):
        load_inference(generic_weights_path(), "cpu", "openvino_bf16")


def test_a_gpu_is_torchs(weights):
    with pytest.raises(ValueError, match="GPUs are torch's"):
        load_inference(weights("compact"), "cuda", "openvino")
