"""Rasterization that gradients pass through, in plain torch.

For every pixel the faces that touch it, or pass it within a blur radius, with depth, barycentric coordinates
and signed squared distance to the face's outline: the fragments of SoftRas (Liu et al., arXiv 1904.01786) in
PyTorch3D's definitions (arXiv 2007.08501). Finding the fragments needs no gradient; only the fragments that were
found are computed a second time with one, so memory and time grow with what is visible.

Pixel centres are at integer coordinates (OpenCV), points are in the optical frame (x right, y down, z forward).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from pose_tracker_ros.camera import PinholeCamera

# Small blocks stay in the processor's cache.
PAIRS_PER_BLOCK = 131_072
FRAGMENTS_BEFORE_PRUNING = 3_000_000
ROW_SLACK_PX = 0.01
ROW_SLACK_SHARE = 1e-5
SMALLEST_AREA_PX2 = 1e-9
SMALLEST_SUM = 1e-12
SMALLEST_CLIPPED_SUM = 1e-5


@dataclass(frozen=True)
class RasterizationSettings:
    """What counts as touching a pixel; the names and defaults are those of PyTorch3D.

    image_size: height and width in pixels.
    blur_radius: squared distance, in NDC (half the shorter image side is 1), up to which a face touches a pixel
        outside of it.
    faces_per_pixel: how many faces are kept for a pixel, the nearest first.
    cull_backfaces: leave out faces whose corners run clockwise as the camera sees them.
    perspective_correct: interpolate linearly in space instead of in the image; only then is depth that of the plane.
    clip_barycentrics: limit barycentrics to the face; None for whenever there is a blur radius.
    near: faces with a corner nearer than this many metres are left out.

    Raises ValueError for values without a meaning.
    """

    image_size: tuple[int, int] = (256, 256)
    blur_radius: float = 0.0
    faces_per_pixel: int = 1
    cull_backfaces: bool = False
    perspective_correct: bool = True
    clip_barycentrics: bool | None = None
    near: float = 1e-3

    def __post_init__(self) -> None:
        if min(self.image_size) < 1 or self.faces_per_pixel < 1 or not self.blur_radius >= 0 or not self.near > 0:
            raise ValueError(
                "expected a positive image size, faces_per_pixel and near plane and a blur_radius of 0 or more, got "
                f"{self.image_size}, {self.faces_per_pixel}, {self.near} and {self.blur_radius}"
            )

    @property
    def ndc_per_pixel(self) -> float:
        """Normalised device coordinates a pixel: the shorter image side measures 2."""
        return 2.0 / min(self.image_size)

    @property
    def blur_px(self) -> float:
        """The blur radius as a distance in pixels."""
        return math.sqrt(self.blur_radius) / self.ndc_per_pixel

    @property
    def clips(self) -> bool:
        """True when barycentrics are limited to the face."""
        return self.blur_radius > 0 if self.clip_barycentrics is None else self.clip_barycentrics


@dataclass(frozen=True)
class Fragments:
    """M pairs of a pixel and a face that touches it, ordered by pixel and from near to far.

    images: N; image_size: height and width.
    pixel: (M,) index into the flattened (N, height, width). face: (M,) index into the faces.
    rank: (M,) place of the face among those of its pixel, 0 is the nearest.
    depth: (M,) metres along z. barycentrics: (M, 3).
    squared_distance: (M,) to the nearest edge of the face in NDC units squared, negative inside the face.
    """

    images: int
    image_size: tuple[int, int]
    pixel: torch.Tensor
    face: torch.Tensor
    rank: torch.Tensor
    depth: torch.Tensor
    barycentrics: torch.Tensor
    squared_distance: torch.Tensor

    @property
    def image(self) -> torch.Tensor:
        """Which of the N images a fragment is in, (M,)."""
        return torch.div(self.pixel, self.image_size[0] * self.image_size[1], rounding_mode="floor")

    def to_images(self, values: torch.Tensor, faces_per_pixel: int, empty: float = -1.0) -> torch.Tensor:
        """Per-fragment values (M, ...) laid out as images (N, height, width, faces_per_pixel, ...)."""
        shape = (self.images * self.image_size[0] * self.image_size[1] * faces_per_pixel, *values.shape[1:])
        kept = self.rank < faces_per_pixel
        slots = (self.pixel * faces_per_pixel + self.rank)[kept]
        filled = values.new_full(shape, empty).index_copy(0, slots, values[kept])
        return filled.reshape(self.images, *self.image_size, faces_per_pixel, *values.shape[1:])

    def nearest(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Face index and depth (N, height, width) of the nearest fragment, -1 and 0 where there is none."""
        return self.to_images(self.face, 1, -1)[..., 0], self.to_images(self.depth, 1, 0.0)[..., 0]


def intrinsics_of(camera: PinholeCamera, **options: object) -> torch.Tensor:
    """fx, fy, cx, cy of a camera, in pixels, as tensor (4,); ``options`` are dtype, device, requires_grad."""
    return torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy], **options)


def transform_vertices(camera_T_object: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Points (V, 3) or (N, V, 3) by transforms (N, 4, 4): (N, V, 3)."""
    return points @ camera_T_object[:, :3, :3].transpose(1, 2) + camera_T_object[:, None, :3, 3]


def project(points: torch.Tensor, intrinsics: torch.Tensor) -> torch.Tensor:
    """Pixels (N, V, 2) of points (N, V, 3); ``intrinsics`` fx, fy, cx, cy as (4,) or (N, 4)."""
    intrinsics = intrinsics.expand(len(points), 4)
    # A point beside or behind the camera has no pixel; the faces it belongs to are left out.
    z = points[..., 2]
    z = torch.where(z.abs() < 1e-9, torch.full_like(z, 1e-9), z)
    return points[..., :2] / z[..., None] * intrinsics[:, None, :2] + intrinsics[:, None, 2:]


def rasterize(
    points: torch.Tensor, faces: torch.Tensor, intrinsics: torch.Tensor, settings: RasterizationSettings
) -> Fragments:
    """The fragments of one mesh in N images.

    Parameters: ``points`` (N, V, 3) vertices in the camera frame, metres, float32 or float64; ``faces`` (F, 3)
    int64; ``intrinsics`` fx, fy, cx, cy in pixels, (4,) or (N, 4).
    Depth, barycentrics and distances carry gradients to points and intrinsics; which faces touch which pixels
    does not. The sides of a face are both drawn, unless culled; a face wound counter-clockwise faces the camera.
    Raises ValueError for tensors of other shapes.
    """
    if points.ndim != 3 or points.shape[-1] != 3 or faces.ndim != 2 or faces.shape[-1] != 3:
        raise ValueError(f"expected points (N, V, 3) and faces (F, 3), got {tuple(points.shape)}, {tuple(faces.shape)}")
    screen = project(points, intrinsics)
    with torch.no_grad():
        pixel, face = find_fragments(screen.detach(), points[..., 2].detach(), faces, settings)
        rank = _ranks(pixel)
    height, width = settings.image_size
    image = torch.div(pixel, height * width, rounding_mode="floor")
    vertices = (faces[face] + (image * points.shape[1])[:, None]).reshape(-1)
    corners = screen.reshape(-1, 2).index_select(0, vertices).reshape(-1, 3, 2)
    z = points[..., 2].reshape(-1).index_select(0, vertices).reshape(-1, 3)
    offsets = corners - _pixel_centers(pixel, settings, corners.dtype)[:, None]
    barycentrics, depth, inside = _interpolation(offsets, z, settings)
    squared_distance = _squared_distance(offsets) * settings.ndc_per_pixel**2
    return Fragments(
        len(points),
        settings.image_size,
        pixel,
        face,
        rank,
        depth,
        barycentrics,
        torch.where(inside, -squared_distance, squared_distance),
    )


def find_fragments(
    screen: torch.Tensor, z: torch.Tensor, faces: torch.Tensor, settings: RasterizationSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixel and face (M,) of all fragments, ordered by pixel and depth, without gradients.

    Every face is tested against the pixels of its own rows alone, from its left to its right end in each; the
    rows of all faces of all images are laid out in one list, which is worked off in blocks of bounded size.
    Parameters: ``screen`` (N, V, 2) pixels and ``z`` (N, V) metres of the vertices.
    """
    height, width = settings.image_size
    image, face, first, size = _boxes(screen, z, faces, settings)
    vertices = faces[face] + (image * screen.shape[1])[:, None]
    corners, corner_z = screen.reshape(-1, 2)[vertices], z.reshape(-1)[vertices]
    nearest = _NearestFragments(screen.shape[0] * height * width, screen.device, settings.faces_per_pixel)
    for boxes in _blocks(size[:, 1]):
        box, place = expand_counts(size[boxes, 1])
        box = box + boxes.start
        row = first[box, 1] + place
        left, count = _spans(corners[box], row, first[box, 0], size[box, 0], settings)
        for spans in _blocks(count):
            span, place = expand_counts(count[spans])
            span = span + spans.start
            x, y, of_box = left[span] + place, row[span], box[span]
            offsets = corners[of_box] - torch.stack([x, y], dim=1).to(screen.dtype)[:, None]
            _, depth, touches = _interpolation(offsets, corner_z[of_box], settings)
            if settings.blur_radius > 0:
                touches = touches | (_squared_distance(offsets) < settings.blur_px**2)
            touches &= depth > 0
            pixel = (image[of_box] * height + y) * width + x
            nearest.add(pixel[touches], depth[touches], face[of_box][touches])
    return nearest.result()


def _blocks(counts: torch.Tensor) -> Iterator[slice]:
    """Slices of consecutive elements whose counts sum to about a block, or of one that is larger."""
    ends = torch.cumsum(counts, 0)
    begin, done = 0, 0
    while begin < len(counts):
        limit = torch.tensor(done + PAIRS_PER_BLOCK, device=ends.device)
        end = max(int(torch.searchsorted(ends, limit, right=True)), begin + 1)
        yield slice(begin, end)
        begin, done = end, int(ends[end - 1])


def _spans(
    corners: torch.Tensor, row: torch.Tensor, first: torch.Tensor, width: torch.Tensor, settings: RasterizationSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """First column and number of columns (S,) that triangles (S, 3, 2), with their blur, can touch in a row.

    The box of a sliver that lies askew has many pixels that it does not touch.
    """
    x, y = corners.unbind(2)
    run, rise = x.roll(-1, dims=1) - x, y.roll(-1, dims=1) - y
    middle = row.to(corners.dtype)[:, None]
    level = rise.abs() < SMALLEST_SUM
    steepness = torch.where(level, torch.ones_like(rise), rise)
    enter, leave = ((middle + side * settings.blur_px - y) / steepness for side in (-1, 1))
    low, high = torch.minimum(enter, leave).clamp(min=0), torch.maximum(enter, leave).clamp(max=1)
    low, high = torch.where(level, 0.0, low), torch.where(level, 1.0, high)
    # Rounding must not lose a pixel whose centre is just inside; coordinates beside the image may be large.
    slack = ROW_SLACK_PX + ROW_SLACK_SHARE * x.abs().amax(dim=1)
    misses = (low > high + ROW_SLACK_PX) & ~level
    ends = torch.stack([x + low * run, x + high * run], dim=2)
    infinity = torch.tensor(torch.inf, dtype=x.dtype, device=x.device)
    left = torch.where(misses[..., None], infinity, ends).amin(dim=(1, 2)) - settings.blur_px - slack
    right = torch.where(misses[..., None], -infinity, ends).amax(dim=(1, 2)) + settings.blur_px + slack
    last = first + width - 1
    begin = torch.maximum(torch.ceil(left.clamp(-1, settings.image_size[1])).long(), first)
    end = torch.minimum(torch.floor(right.clamp(-1, settings.image_size[1])).long(), last)
    return begin, (end - begin + 1).clamp(min=0)


class _NearestFragments:
    """Collects fragments and keeps the nearest few of every pixel."""

    def __init__(self, pixels: int, device: torch.device, faces_per_pixel: int) -> None:
        self._pixels, self._device, self._faces_per_pixel = pixels, device, faces_per_pixel
        self._best = None
        self._keys: list[torch.Tensor] = []
        self._faces: list[torch.Tensor] = []
        self._collected = 0

    def add(self, pixel: torch.Tensor, depth: torch.Tensor, face: torch.Tensor) -> None:
        # The bits of a positive float grow with it, so one integer can stand for an order.
        depth_bits = depth.float().view(torch.int32).long()
        if self._faces_per_pixel == 1:
            if self._best is None:
                self._best = torch.full((self._pixels,), torch.iinfo(torch.int64).max, device=self._device)
            self._best.scatter_reduce_(0, pixel, (depth_bits << 32) | face, "amin")
            return
        self._keys.append((pixel << 32) | depth_bits)
        self._faces.append(face)
        self._collected += len(pixel)
        if self._collected > FRAGMENTS_BEFORE_PRUNING:
            self._prune()
            self._collected = 0

    def _prune(self) -> None:
        if not self._keys:
            return
        keys, order = torch.sort(torch.cat(self._keys), stable=True)
        kept = _ranks(keys >> 32) < self._faces_per_pixel
        self._keys, self._faces = [keys[kept]], [torch.cat(self._faces)[order][kept]]

    def result(self) -> tuple[torch.Tensor, torch.Tensor]:
        none = torch.zeros(0, dtype=torch.int64, device=self._device)
        if self._faces_per_pixel == 1:
            if self._best is None:
                return none, none
            pixel = torch.nonzero(self._best != torch.iinfo(torch.int64).max)[:, 0]
            return pixel, self._best[pixel] & 0xFFFFFFFF
        self._prune()
        return (self._keys[0] >> 32, self._faces[0]) if self._keys else (none, none)


def _boxes(
    screen: torch.Tensor, z: torch.Tensor, faces: torch.Tensor, settings: RasterizationSettings
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, face, first pixel (x, y) and size (x, y) of the bounding boxes that hold a pixel centre."""
    corners = screen[:, faces]
    a, b, c = corners.unbind(2)
    area = _cross(b - a, c - a)
    drawn = (z[:, faces].amin(dim=2) > settings.near) & (area.abs() > SMALLEST_AREA_PX2)
    if settings.cull_backfaces:
        # Image rows run downwards, so counter-clockwise has a negative area.
        drawn &= area < 0
    image, face = torch.nonzero(drawn, as_tuple=True)
    corners = corners[image, face]
    last_pixel = corners.new_tensor([settings.image_size[1] - 1, settings.image_size[0] - 1])
    first = torch.ceil(corners.amin(dim=1) - settings.blur_px).clamp(min=0).minimum(last_pixel + 1).long()
    last = torch.floor(corners.amax(dim=1) + settings.blur_px).clamp(min=-1).minimum(last_pixel).long()
    size = (last - first + 1).clamp(min=0)
    visible = size.prod(dim=1) > 0
    return image[visible], face[visible], first[visible], size[visible]


def expand_counts(counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For counts (2, 3): which (0, 0, 1, 1, 1) and place (0, 1, 0, 1, 2)."""
    which = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    starts = torch.cumsum(counts, 0) - counts
    return which, torch.arange(len(which), device=counts.device) - starts[which]


def _ranks(sorted_groups: torch.Tensor) -> torch.Tensor:
    """Place of each element within its run of equal values."""
    places = torch.arange(len(sorted_groups), device=sorted_groups.device)
    begins = torch.ones_like(sorted_groups, dtype=torch.bool)
    begins[1:] = sorted_groups[1:] != sorted_groups[:-1]
    return places - torch.cummax(torch.where(begins, places, torch.zeros_like(places)), 0).values


def _pixel_centers(pixel: torch.Tensor, settings: RasterizationSettings, dtype: torch.dtype) -> torch.Tensor:
    height, width = settings.image_size
    rows = torch.div(pixel, width, rounding_mode="floor") % height
    return torch.stack([pixel % width, rows], dim=1).to(dtype)


def _interpolation(
    offsets: torch.Tensor, z: torch.Tensor, settings: RasterizationSettings
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Barycentrics (M, 3), depth (M,) and inside (M,) of the pixel centre from which corners are ``offsets`` away.

    Weights of adjacent faces along their common edge are exactly opposite numbers, so no pixel falls in between.
    """
    a, b, c = offsets.unbind(1)
    weights = torch.stack([_cross(b, c), _cross(c, a), _cross(a, b)], dim=1)
    area = weights.sum(dim=1, keepdim=True)
    weights = torch.where(area < 0, -weights, weights)
    inside = (weights >= 0).all(dim=1)
    if settings.perspective_correct:
        # Linear in space is linear in the image for value / z.
        weights = weights / z
    total = weights.sum(dim=1, keepdim=True)
    barycentrics = weights / torch.where(total.abs() < SMALLEST_SUM, torch.full_like(total, SMALLEST_SUM), total)
    if settings.clips:
        clipped = barycentrics.clamp(0, 1)
        barycentrics = clipped / clipped.sum(dim=1, keepdim=True).clamp(min=SMALLEST_CLIPPED_SUM)
    return barycentrics, (barycentrics * z).sum(dim=1), inside


def _squared_distance(offsets: torch.Tensor) -> torch.Tensor:
    """Squared distance (M,) in pixels from the origin to the nearest edge of triangles (M, 3, 2)."""
    ends = offsets.roll(-1, dims=1)
    along = ends - offsets
    length = (along * along).sum(dim=2).clamp(min=SMALLEST_SUM)
    place = (-(offsets * along).sum(dim=2) / length).clamp(0, 1)
    nearest = offsets + place[..., None] * along
    return (nearest * nearest).sum(dim=2).amin(dim=1)


def _cross(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
