"""Which topics of a recording are the colour and depth images of a camera, and their intrinsics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pose_tracker_ros.datasets.files import DatasetError

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
# Given for a topic of depth images: there are none.
NO_DEPTH = "none"
DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16", "Z16")
# Words of names that say that an image is drawn, or taken by something else than a colour or depth camera.
OTHER_IMAGES = (
    "overlay mask masks segmentation segmented label labels debug visualization annotated detections result results "
    "confidence disparity thermal ir infra infra1 infra2 infrared theora ffmpeg h264 normals"
).split()
REGISTERED_WORDS = ("aligned", "registered", "depth_to_rgb", "depth_to_color", "depth2rgb", "depth2color")
DEPTH_WORDS = ("depth", "stereo")
COLOR_WORDS = ("color", "colour", "rgb")
_TRANSPORTS = ("/compressed", "/compressedDepth")


@dataclass(frozen=True)
class CameraTopics:
    """Topics of a camera; camera_info is that of the colour image, depth_info that of the depth image.

    All but color are None where there is none.
    """

    color: str
    depth: str | None
    camera_info: str | None
    depth_info: str | None = None


class ImageTopic(NamedTuple):
    """A topic of images with what its first message says: size in pixels and encoding, frame and whether it is depth."""

    name: str
    size: tuple[int, int] | None
    encoding: str
    frame_id: str

    @property
    def is_depth(self) -> bool:
        """By encoding and name: images of one channel may be infrared ones, masks or confidences, too."""
        named = any(word in part for part in _words(self.name) for word in DEPTH_WORDS)
        if _is_other(self.name):
            return False
        encoding = self.encoding.split(";")[0].strip()
        return encoding in DEPTH_ENCODINGS and (named or encoding != "mono16")


def image_topic(name: str, message: Any | None) -> ImageTopic:
    """A topic and its first message, which is None where none can be read."""
    if message is None:
        return ImageTopic(name, None, "", "")
    size = (message.width, message.height) if hasattr(message, "width") else None
    encoding = message.encoding if hasattr(message, "encoding") else message.format
    return ImageTopic(name, size, encoding, message.header.frame_id.lstrip("/"))


def choose_topics(
    images: Sequence[ImageTopic],
    infos: Sequence[str],
    source: object,
    *,
    color: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
    depth_info: str | None = None,
    info_needed: bool = True,
) -> CameraTopics:
    """The topics of the camera in a recording: those named, and for the others those that go with them best.

    Parameters: ``images`` all topics of images, ``infos`` all of CameraInfo; ``source`` is for errors; ``info_needed`` whether
    there has to be a CameraInfo of the colour image.
    Raises DatasetError that lists the candidates and names the option when there is none or more than one.
    """
    by_name = {image.name: image for image in images}
    _check(color, by_name, "colour image", "color_topic", source)
    _check(None if depth == NO_DEPTH else depth, by_name, "depth image", "depth_topic", source)
    _check(camera_info, infos, "CameraInfo", "camera_info_topic", source)
    _check(depth_info, infos, "CameraInfo", "depth_info_topic", source)
    colors = [by_name[color]] if color else _color_candidates(images, by_name.get(depth or ""))
    depths = [by_name[depth]] if depth and depth != NO_DEPTH else [image for image in images if image.is_depth]
    if not colors:
        raise DatasetError(_none("colour image", "color_topic", images, source))
    if depth == NO_DEPTH:
        chosen = _best({image.name: _rank_color(image, infos) for image in colors}, "colour image", "color_topic", source)
        return CameraTopics(chosen, None, camera_info or (_info_of(chosen, infos, source) if info_needed else None))
    if not depths:
        raise DatasetError(
            _none("depth image", "depth_topic", images, source) + ", or depth_topic=none to do without depth"
        )
    ranks = {(one.name, other.name): _rank(one, other, infos) for one in colors for other in depths}
    pair = max(ranks, key=lambda names: ranks[names])
    for position, what, option in ((0, "colour image", "color_topic"), (1, "depth image", "depth_topic")):
        best = {names[position]: rank for names, rank in sorted(ranks.items(), key=lambda item: item[1])}
        _best(best, what, option, source)
    return CameraTopics(
        *pair,
        camera_info or (_info_of(pair[0], infos, source) if info_needed else None),
        depth_info or next(iter(_infos_beside(pair[1], infos)), None),
    )


def _color_candidates(images: Sequence[ImageTopic], depth: ImageTopic | None) -> list[ImageTopic]:
    """Images that may be in colour; those of one channel and those of other sensors only where there are no others."""
    others = [image for image in images if not image.is_depth and image is not depth]
    plain = [image for image in others if not _is_other(image.name)]
    colored = [image for image in plain if image.encoding.split(";")[0].strip() not in ("mono8", "mono16", "8UC1", "16UC1")]
    return colored or plain


def _rank(color: ImageTopic, depth: ImageTopic, infos: Sequence[str]) -> tuple:
    """How well a colour and a depth image go together, what says most first."""
    same_frame = bool(color.frame_id) and color.frame_id == depth.frame_id
    registered = any(word in depth.name.lower() for word in REGISTERED_WORDS)
    same_size = color.size is not None and color.size == depth.size
    shared = _shared_names(color.name, depth.name)
    return (shared > 0, same_frame, registered, same_size, shared, *_rank_color(color, infos), _is_raw(depth), -len(_words(depth.name)))


def _rank_color(color: ImageTopic, infos: Sequence[str]) -> tuple:
    named = sum(any(word in part for word in COLOR_WORDS) for part in _words(color.name))
    return bool(_infos_beside(color.name, infos)), named, "raw" not in _words(_image_name(color.name))[-1], _is_raw(color)


def _best(ranks: Mapping[str, tuple], what: str, option: str, source: object) -> str:
    """The name of the highest rank; raises DatasetError where several have it."""
    highest = max(ranks.values())
    names = sorted(name for name, rank in ranks.items() if rank == highest)
    if len(names) > 1:
        raise DatasetError(
            f"expected one {what} topic in {source}, found {', '.join(names)}; name the one to use, "
            f"on the command line --reader {option}={names[0]}"
        )
    return names[0]


def _info_of(image: str, infos: Sequence[str], source: object) -> str:
    """The intrinsics that are published beside an image, or nearest to it."""
    shared = {name: _shared_names(name, image) for name in infos}
    beside = _infos_beside(image, infos) or [name for name in infos if shared[name] == max(shared.values())]
    if len(beside) != 1:
        found = ", ".join(sorted(beside)) or "none"
        raise DatasetError(
            f"expected one CameraInfo topic in {source} for {image}, found {found}; name the one to use, on the command line "
            "--reader camera_info_topic=TOPIC, or give --reader color_intrinsics='fx fy cx cy'"
        )
    return beside[0]


def _infos_beside(image: str, infos: Sequence[str]) -> list[str]:
    """CameraInfo topics in the namespace of an image."""
    folder = _namespace(image)
    return [name for name in infos if _namespace(name) == folder]


def _namespace(name: str) -> str:
    return _image_name(name).rpartition("/")[0]


def _image_name(name: str) -> str:
    """The topic without what image_transport appends."""
    for transport in _TRANSPORTS:
        name = name.removesuffix(transport)
    return name


def _shared_names(one: str, other: str) -> int:
    """How many names from the root on two topics share; 1 for two that both have no namespace of a camera."""
    first, second = (_namespace(name).strip("/").split("/") for name in (one, other))
    shared = next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))
    return max(shared, 1) if len(first) == len(second) == 1 else shared


def _is_raw(image: ImageTopic) -> bool:
    return not image.name.endswith(_TRANSPORTS)


def _is_other(name: str) -> bool:
    """Whether the last two names of a topic say that it is no image of a colour or depth camera."""
    last = "_".join(_words(_image_name(name))[-2:])
    return not set(OTHER_IMAGES).isdisjoint(last.split("_")) or name.endswith("/theora")


def _words(name: str) -> list[str]:
    return [part.lower() for part in name.strip("/").split("/")]


def _check(name: str | None, known: Mapping | Sequence[str], what: str, option: str, source: object) -> None:
    if name is not None and name not in known:
        raise DatasetError(
            f"expected {option} to be a {what} topic in {source}, got {name}; it has {', '.join(sorted(known)) or 'none'}"
        )


def _none(what: str, option: str, images: Sequence[ImageTopic], source: object) -> str:
    names = ", ".join(sorted(image.name for image in images)) or "none"
    return f"expected one {what} topic in {source}, found none among its images ({names}); name it with --reader {option}=TOPIC"
