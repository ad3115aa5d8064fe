"""The trackers that ``pose-tracker bench`` compares, as the command line names them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pose_tracker_ros.evaluation.tracking_benchmark import Variant
from pose_tracker_ros.networks.weights_info import read_info
from pose_tracker_ros.objects import ObjectModel

console = Console()


def named_path(text: str) -> tuple[str, Path]:
    """Name and file of NAME=FILE; raises ValueError for another text, or where there is no such file."""
    name, separator, path = text.partition("=")
    if not separator or not Path(path).is_file():
        raise ValueError(f"expected NAME=FILE with a file that is there, got {text!r}")
    return name, Path(path)


def check_names(variants: list[Variant]) -> None:
    """Raises ValueError where two trackers have one name."""
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise ValueError(f"expected a name of its own for each tracker to compare, got {', '.join(names)}")


def knows(variant: Variant, model: ObjectModel) -> bool:
    """Whether the variant's weights were trained for the object, or for any; says why where they were not."""
    if variant.weights is None or variant.config.network == "never":
        return True
    info = read_info(variant.weights)
    try:
        info.check_object(model.name, model.diameter_m, variant.weights)
    except ValueError as error:
        console.print(f"{model.name} without {variant.name}: {error}", style="dim", soft_wrap=True)
        return False
    return True
