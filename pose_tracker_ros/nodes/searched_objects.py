"""The objects that the initializer finds, and which of them masks and boxes are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from pose_tracker_ros.datasets.image_messages import mask_from_message
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.initialization.initializer import Initializer, create_initializer
from pose_tracker_ros.initialization.observation import InitializationError, mask_from_box
from pose_tracker_ros.nodes.frames import FrameMaker
from pose_tracker_ros.nodes.initializer_options import InitializerOptions
from pose_tracker_ros.nodes.messages import boxes_from_detections
from pose_tracker_ros.nodes.object_names import NamedObject
from pose_tracker_ros.objects import kind_of, load_object

# Of one object; boxes that are less sure than these are not looked at.
MOST_BOXES = 3
ANY_LABEL, ANY_CLASS = 0, ""
# Gives a mask (height, width) bool, or raises InitializationError for a box that is none.
MaskSource = Callable[[], np.ndarray]


@dataclass(frozen=True)
class SearchedObject:
    """An object, how it is found, and what stands for it: its value in masks of labels, and its class among detections."""

    name: str
    initializer: Initializer
    label: int
    detection_class: str


def identities(
    named: Sequence[NamedObject], labels: Sequence[int], classes: Sequence[str]
) -> list[tuple[NamedObject, int, str]]:
    """Which label and which class id is which object.

    Where nothing is given, one object has every label and any class; of several the first has label 1, the second 2 and so on, and
    each has the class of its kind's name. Raises ValueError where there are not as many of them as objects.
    """
    several = len(named) > 1
    labels = list(labels) if any(labels) else [number + 1 if several else ANY_LABEL for number in range(len(named))]
    classes = list(classes) if any(classes) else [kind_of(one.name) if several else ANY_CLASS for one in named]
    for name, values in (("mask_labels", labels), ("detection_classes", classes)):
        if len(values) != len(named):
            raise ValueError(f"expected {name} to be one for each of {len(named)} objects, got {len(values)}: {values}")
    return list(zip(named, labels, classes))


def load_searched(
    named: Sequence[NamedObject], options: InitializerOptions, loaded: dict[Path, Initializer]
) -> list[SearchedObject]:
    """The objects, ready to be found, by the node's options.

    ``loaded``: what is found by folders of kinds; gets those that are missing. Raises OSError or ValueError where something
    cannot be loaded or does not fit.
    """
    searched = []
    for number, (one, label, detection_class) in enumerate(
        identities(named, options.mask_labels, options.detection_classes)
    ):
        kind = one.folder.resolve()
        if kind not in loaded:
            own = (options.mesh_path or None, options.mesh_unit or None) if number == 0 else ()
            model = replace(load_object(str(one.folder), *own), name=kind_of(one.name))
            weights = Path(options.weights_path) if options.weights_path and number == 0 else None
            loaded[kind] = create_initializer(options.method, model, options.hypotheses, weights)
        searched.append(SearchedObject(one.name, loaded[kind], label, detection_class))
    return searched


def masks_of(
    objects: Sequence[SearchedObject], message: Image | Detection2DArray, frame: Frame, frames: FrameMaker
) -> Iterator[tuple[SearchedObject, list[MaskSource]]]:
    """The objects that a message is of, each with its masks, of which the best answer counts.

    ``frames``: what made the frame of its images, and knows where their pixels are in it.
    Raises ValueError where it is of none of them, and for messages that cannot be read.
    """
    found = _labelled(objects, message, frames) if isinstance(message, Image) else _boxed(objects, message, frame, frames)
    if not found:
        asked = ", ".join(f"{one.label} ({one.name})" for one in objects)
        raise InitializationError(f"expected a mask with one of the labels {asked}, got none of them; see mask_labels")
    for one in objects:
        if one.name in found:
            yield one, found[one.name]


def _labelled(objects: Sequence[SearchedObject], message: Image, frames: FrameMaker) -> dict[str, list[MaskSource]]:
    """Masks by name; where several instances have one label the largest parts of its pixels are theirs."""
    found = {}
    for label in dict.fromkeys(one.label for one in objects):
        alike = [one for one in objects if one.label == label]
        mask = frames.mask(mask_from_message(message, label))
        if len(alike) == 1:
            # An only object's empty mask is answered with what is wrong with it.
            if mask.any() or len(objects) == 1:
                found[alike[0].name] = [lambda mask=mask: mask]
            continue
        found |= {one.name: [lambda part=part: part] for one, part in zip(alike, _parts(mask))}
    return found


def _boxed(
    objects: Sequence[SearchedObject], message: Detection2DArray, frame: Frame, frames: FrameMaker
) -> dict[str, list[MaskSource]]:
    """Masks by name; where several instances have one class the surest boxes are theirs, else an object has the surest of its class."""
    found, missing = {}, None
    for detection_class in dict.fromkeys(one.detection_class for one in objects):
        alike = [one for one in objects if one.detection_class == detection_class]
        try:
            boxes = boxes_from_detections(message, detection_class)
        except ValueError as error:
            missing = error
            continue
        for number, one in enumerate(alike):
            own = boxes[number : number + 1] if len(alike) > 1 else boxes[:MOST_BOXES]
            if own:
                size_m = one.initializer.model.diameter_m
                found[one.name] = [partial(mask_from_box, frame, frames.box(box), size_m) for box in own]
    if not found and missing is not None:
        raise missing
    return found


def _parts(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a mask, the largest first."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return [labels == number + 1 for number in np.argsort(-areas, kind="stable")]
