"""Networks through OpenVINO, on CPUs, exported once and kept beside the kernels: torch is not even loaded then."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from pose_tracker_ros.kernels.cache import source_hash
from pose_tracker_ros.kernels.compilation import CACHE_FOLDER
from pose_tracker_ros.networks.pixel_inference import Graph, PixelFit, PixelInference
from pose_tracker_ros.networks.weights_info import WeightsInfo

logger = logging.getLogger(__name__)

# The parts of a file, each a model and its constants; networks without a second look have the first alone.
LOOKS = ("first", "second")
FIT = "fit.json"
# Exported files that are kept, of the weights that were used last: 5 MB each.
KEPT_FILES = 16


class Exported(NamedTuple):
    """A network without torch: looks as pairs (model, constants) of OpenVINO's intermediate representation."""

    fit: PixelFit
    looks: list[tuple[bytes, bytes]]


def load_openvino(path: Path, info: WeightsInfo, runtime: str = "auto", threads: int = 1) -> PixelInference:
    """The network of a weights file.

    Parameters as of ``load_inference``: openvino_bf16 rounds to bfloat16, auto does where the processor has instructions for it.
    Raises ValueError for openvino_bf16 where it has none.
    """
    has_bf16 = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if runtime == "openvino_bf16" and not has_bf16:
        raise ValueError("runtime openvino_bf16 asked for, but this processor has no bfloat16 instructions; use openvino")
    precision = "bf16" if has_bf16 and runtime != "openvino" else "f32"
    exported = exported_network(path, info)
    try:
        graphs = [_compiled(look, precision, threads) for look in exported.looks]
    except RuntimeError as error:
        graphs = [_compiled(look, precision, threads) for look in _renewed(path, info, error).looks]
    first, second = [*graphs, None][:2]
    return PixelInference(exported.fit, first, second, f"cpu (openvino, {precision})")


def exported_network(path: Path, info: WeightsInfo) -> Exported:
    """The network of a weights file, from the cache or exported into it; what is damaged there is exported again."""
    file = _cached_file(path)
    if not file.is_file():
        logger.warning("%s is exported for OpenVINO, which takes some seconds, once", path)
        return _export(path, info, file)
    try:
        exported = _read(file)
    except Exception as error:  # what a damaged file raises depends on its bytes
        return _renewed(path, info, error)
    file.touch()
    return exported


def _renewed(path: Path, info: WeightsInfo, error: Exception) -> Exported:
    file = _cached_file(path)
    logger.warning("the exported network %s was damaged (%s): exported again", file, error)
    return _export(path, info, file)


def _cached_file(path: Path) -> Path:
    """Its name changes with the weights and with what makes networks of them."""
    sources = source_hash(Path(__file__).parent.glob("*.py"))
    return CACHE_FOLDER / "networks" / f"{source_hash([path])}-{sources}.zip"


def _read(file: Path) -> Exported:
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        looks = [tuple(archive.read(f"{look}{end}") for end in (".xml", ".bin")) for look in LOOKS if f"{look}.xml" in names]
        return Exported(PixelFit(**json.loads(archive.read(FIT))), looks)


def _export(path: Path, info: WeightsInfo, file: Path) -> Exported:
    """Write a network's file, whole or not at all."""
    from pose_tracker_ros.networks.looks import example_inputs, first_look, second_look
    from pose_tracker_ros.networks.weights import load_weights

    network, _ = load_weights(path)
    inputs = example_inputs(network, info.resolution)
    modules = [first_look(network), second_look(network)]
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        partial = Path(folder, file.name)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(FIT, json.dumps(PixelFit.of(network)._asdict()))
            for look, module, example in zip(LOOKS, modules, inputs):
                if module is not None:
                    _convert(module, example, Path(folder, f"{look}.xml"))
                    for end in (".xml", ".bin"):
                        archive.write(Path(folder, look + end), look + end)
        exported = _read(partial)
        partial.replace(file)
    for old in sorted(file.parent.glob("*.zip"), key=lambda one: one.stat().st_mtime, reverse=True)[KEPT_FILES:]:
        old.unlink(missing_ok=True)
    return exported


def _convert(module: Any, example: tuple, xml: Path) -> None:
    """A model for inputs of the example's shapes, in full precision."""
    openvino = import_openvino()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: shapes are constant here
        model = openvino.convert_model(module, example_input=example)
    model.reshape({number: list(tensor.shape) for number, tensor in enumerate(example)})
    openvino.save_model(model, str(xml), compress_to_fp16=False)


def _compiled(look: tuple[bytes, bytes], precision: str, threads: int) -> Graph:
    # Pinned threads of several processes would share one core.
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    request = _core().compile_model(_core().read_model(*look), "CPU", options).create_infer_request()

    def ask(*arrays: np.ndarray) -> list[np.ndarray]:
        return list(request.infer(list(arrays), share_inputs=True, share_outputs=True).values())

    return ask


@cache
def _core() -> Any:
    return import_openvino().Core()


def import_openvino() -> ModuleType:
    """OpenVINO, which would tell its makers that it is used, unless the package for that cannot be imported."""
    reporter = "openvino_telemetry"
    silenced = reporter not in sys.modules
    if silenced:
        sys.modules[reporter] = None
    try:
        import openvino
    finally:
        if silenced:
            del sys.modules[reporter]
    return openvino
