"""Colours and silhouettes of fragments: the shaders of PyTorch3D, in its formulas and defaults.

Silhouette and blending follow SoftRas (Liu et al., arXiv 1904.01786), lighting is Phong's model. All lights and
normals are in the camera frame, with the camera at its origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from pose_tracker_ros.rendering.soft_rasterizer import Fragments

RGB = Sequence[float] | torch.Tensor
SMALLEST = 1e-10
PROBABILITY_CUT = 1e-4


def recommended_blur_radius(sigma: float) -> float:
    """Squared distance in NDC beyond which a face's coverage is below 1e-4: ``ln(1e4 - 1) sigma``."""
    return float(torch.logit(torch.tensor(1 - PROBABILITY_CUT, dtype=torch.float64)) * sigma)


def sigma_of_pixels(width_px: float, image_size: tuple[int, int]) -> float:
    """``sigma`` for which coverage falls from 1/2 to 0.27 within ``width_px`` pixels of an edge (``width_px`` squared, in NDC)."""
    return (width_px * 2.0 / min(image_size)) ** 2


@dataclass(frozen=True)
class BlendSettings:
    """How fragments of a pixel are mixed.

    sigma: softness of edges in NDC squared. gamma: softness of the order in depth, as share of far - near.
    background: RGB 0..1. near, far: metres between which depth is ranked.
    """

    sigma: float = 1e-4
    gamma: float = 1e-4
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    near: float = 1.0
    far: float = 100.0


@dataclass(frozen=True)
class Material:
    """Reflectance (RGB factors) and shininess of a surface."""

    ambient: RGB = (1.0, 1.0, 1.0)
    diffuse: RGB = (1.0, 1.0, 1.0)
    specular: RGB = (1.0, 1.0, 1.0)
    shininess: float = 64.0


class Light(Protocol):
    """A light with RGB factors; ``towards`` says where it stands, None when it has no direction."""

    ambient: RGB
    diffuse: RGB
    specular: RGB

    def towards(self, points: torch.Tensor) -> torch.Tensor | None:
        """Unit vectors (M, 3) from points (M, 3) in the camera frame to the light."""
        ...


@dataclass(frozen=True)
class AmbientLight:
    """Light from everywhere alike: colours are the surface's own."""

    ambient: RGB = (1.0, 1.0, 1.0)
    diffuse: RGB = (0.0, 0.0, 0.0)
    specular: RGB = (0.0, 0.0, 0.0)

    def towards(self, points: torch.Tensor) -> torch.Tensor | None:
        return None


@dataclass(frozen=True)
class PointLight:
    """Light from ``location`` (metres, camera frame), as strong at every distance."""

    location: RGB = (0.0, -1.0, 0.0)
    ambient: RGB = (0.5, 0.5, 0.5)
    diffuse: RGB = (0.3, 0.3, 0.3)
    specular: RGB = (0.2, 0.2, 0.2)

    def towards(self, points: torch.Tensor) -> torch.Tensor | None:
        return _unit(_like(self.location, points) - points)


@dataclass(frozen=True)
class DirectionalLight:
    """Light from infinitely far; ``direction`` points towards it, in the camera frame."""

    direction: RGB = (0.0, -1.0, 0.0)
    ambient: RGB = (0.5, 0.5, 0.5)
    diffuse: RGB = (0.3, 0.3, 0.3)
    specular: RGB = (0.2, 0.2, 0.2)

    def towards(self, points: torch.Tensor) -> torch.Tensor | None:
        return _unit(_like(self.direction, points)).expand_as(points)


class Texture(Protocol):
    """Gives every fragment the colour of the surface."""

    def sample(self, fragments: Fragments, faces: torch.Tensor) -> torch.Tensor:
        """Colours (M, 3), 0..1, of fragments of a mesh with ``faces`` (F, 3)."""
        ...


@dataclass(frozen=True)
class VertexTexture:
    """A colour (0..1) for each vertex: ``colors`` (V, 3), the same in all images."""

    colors: torch.Tensor

    def sample(self, fragments: Fragments, faces: torch.Tensor) -> torch.Tensor:
        return interpolate(self.colors, fragments, faces)


@dataclass(frozen=True)
class ImageTexture:
    """An image (height, width, 3), 0..1, and coordinates ``uv`` (V, 2), v upwards.

    texel_centers: ``half`` puts the image's corners at 0 and 1 and repeats it, as OpenGL and the other
    renderers here do; ``corner`` puts the centres of the outermost texels there and repeats the border, as
    PyTorch3D does by default.
    """

    image: torch.Tensor
    uv: torch.Tensor
    texel_centers: str = "half"

    def sample(self, fragments: Fragments, faces: torch.Tensor) -> torch.Tensor:
        height, width = self.image.shape[:2]
        uv = interpolate(self.uv, fragments, faces)
        u, v = uv[:, 0], 1 - uv[:, 1]
        if self.texel_centers == "corner":
            x, y = u.clamp(0, 1) * (width - 1), v.clamp(0, 1) * (height - 1)
        elif self.texel_centers == "half":
            x, y = u * width - 0.5, v * height - 0.5
        else:
            raise ValueError(f"expected texel_centers half or corner, got {self.texel_centers!r}")
        left, top = torch.floor(x.detach()), torch.floor(y.detach())
        color = 0
        for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
            weight = (1 - (x - left - column).abs()) * (1 - (y - top - row).abs())
            texel = self._row_major(left + column, top + row)
            color = color + weight[:, None] * self.image.reshape(-1, 3).index_select(0, texel)
        return color

    def _row_major(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        height, width = self.image.shape[:2]
        if self.texel_centers == "corner":
            return (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long()
        return y.long() % height * width + x.long() % width


def interpolate(values: torch.Tensor, fragments: Fragments, faces: torch.Tensor) -> torch.Tensor:
    """Per-vertex values (V, C), or (N, V, C) of every image, at the fragments: (M, C)."""
    corners = faces[fragments.face]
    if values.ndim == 3:
        corners = corners + (fragments.image * values.shape[1])[:, None]
        values = values.reshape(-1, values.shape[-1])
    at_corners = values.index_select(0, corners.reshape(-1)).reshape(-1, 3, values.shape[-1])
    return (at_corners * fragments.barycentrics[..., None]).sum(dim=1)


def coverage(fragments: Fragments, sigma: float) -> torch.Tensor:
    """How far each fragment's face covers its pixel: ``sigmoid(-squared_distance / sigma)``, (M,)."""
    return torch.sigmoid(-fragments.squared_distance / sigma)


def soft_silhouette(fragments: Fragments, sigma: float = 1e-4) -> torch.Tensor:
    """Opacity (N, height, width): ``1 - prod(1 - coverage)`` (SoftRas, PyTorch3D's SoftSilhouetteShader).

    It is wider than the object by a pixel or more (both sides of a closed mesh cover its outline), and its
    slope is zero exactly on an edge; :mod:`pose_tracker_ros.rendering.contour` has neither flaw.
    """
    # log(1 - sigmoid(x)) = logsigmoid(-x), finite for any distance.
    log_transparency = torch.nn.functional.logsigmoid(fragments.squared_distance / sigma)
    return 1 - torch.exp(_sum_per_pixel(log_transparency, fragments))


def soft_depth(fragments: Fragments, sigma: float = 1e-4, far: float = 100.0) -> torch.Tensor:
    """Depth (N, height, width) as mean of the fragments' depths by the coverage that nearer ones leave.

    Coverage is added up from near to far until it reaches 1; what is missing to 1 counts as ``far``.
    """
    covered = coverage(fragments, sigma)
    running = torch.cumsum(covered, 0)
    # Subtracting what was added before a pixel's first fragment makes one long sum into many.
    first = torch.arange(len(covered), device=covered.device) - fragments.rank
    before = (running - covered).index_select(0, first)
    upto = (running - before).clamp(max=1)
    weight = upto - (running - before - covered).clamp(max=1)
    return far + _sum_per_pixel(weight * (fragments.depth - far), fragments)


def phong_colors(
    points: torch.Tensor,
    normals: torch.Tensor,
    faces: torch.Tensor,
    fragments: Fragments,
    texture: Texture,
    light: Light,
    material: Material | None = None,
) -> torch.Tensor:
    """Lit colours (M, 3) of the fragments by Phong's model, computed for every pixel.

    Parameters: ``points`` and ``normals`` (N, V, 3) of the vertices in the camera frame.
    """
    material = material or Material()
    texel = texture.sample(fragments, faces)
    place = interpolate(points, fragments, faces)
    ambient = _like(material.ambient, texel) * _like(light.ambient, texel)
    towards_light = light.towards(place)
    if towards_light is None:
        return ambient * texel
    normal = _unit(interpolate(normals, fragments, faces))
    facing = (normal * towards_light).sum(dim=1, keepdim=True)
    diffuse = _like(material.diffuse, texel) * _like(light.diffuse, texel) * facing.clamp(min=0)
    mirrored = 2 * facing * normal - towards_light
    alignment = (-_unit(place) * mirrored).sum(dim=1, keepdim=True).clamp(min=0)
    highlight = torch.where(facing > 0, alignment, torch.zeros_like(alignment)) ** material.shininess
    specular = _like(material.specular, texel) * _like(light.specular, texel) * highlight
    return (ambient + diffuse) * texel + specular


def hard_blend(colors: torch.Tensor, fragments: Fragments, background: RGB = (1.0, 1.0, 1.0)) -> torch.Tensor:
    """RGBA (N, height, width, 4) of the nearest fragments' colours (M, 3); alpha is 0 or 1."""
    rgba = torch.cat([colors, torch.ones_like(colors[:, :1])], dim=1)
    nearest = fragments.rank == 0
    empty = torch.cat([_like(background, colors), colors.new_zeros(1)])
    filled = empty.repeat(_pixels(fragments), 1).index_copy(0, fragments.pixel[nearest], rgba[nearest])
    return filled.reshape(fragments.images, *fragments.image_size, 4)


def soft_blend(
    colors: torch.Tensor, fragments: Fragments, settings: BlendSettings, composited: bool = False
) -> torch.Tensor:
    """RGBA (N, height, width, 4): colours (M, 3) mixed by coverage and a softmax of nearness.

    This is PyTorch3D's softmax_rgb_blend. Its colour is opaque out to the blur radius, only alpha is soft;
    ``composited`` mixes it with the background by alpha, which gives outlines their true width.
    """
    covered = coverage(fragments, settings.sigma)
    nearness = (settings.far - fragments.depth) / (settings.far - settings.near)
    pixels = _pixels(fragments)
    nearest = nearness.new_full((pixels,), SMALLEST)
    # Exponents relative to the nearest face are never positive, so nothing overflows in front of the near plane.
    nearest = nearest.scatter_reduce(0, fragments.pixel, nearness, "amax").clamp(min=SMALLEST)
    weight = covered * torch.exp((nearness - nearest[fragments.pixel]) / settings.gamma)
    background_weight = torch.exp((SMALLEST - nearest) / settings.gamma).clamp(min=SMALLEST)
    background = _like(settings.background, colors)
    total = _add(weight, fragments.pixel, pixels) + background_weight
    mixed = _add(weight[:, None] * colors, fragments.pixel, pixels) + background_weight[:, None] * background
    mixed = (mixed / total[:, None]).reshape(fragments.images, *fragments.image_size, 3)
    alpha = soft_silhouette(fragments, settings.sigma)[..., None]
    if composited:
        mixed = alpha * mixed + (1 - alpha) * background
    return torch.cat([mixed, alpha], dim=-1)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-6)


def _like(values: RGB, other: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values, dtype=other.dtype, device=other.device)


def _pixels(fragments: Fragments) -> int:
    return fragments.images * fragments.image_size[0] * fragments.image_size[1]


def _add(values: torch.Tensor, index: torch.Tensor, size: int) -> torch.Tensor:
    return values.new_zeros(size, *values.shape[1:]).index_add(0, index, values)


def _sum_per_pixel(values: torch.Tensor, fragments: Fragments) -> torch.Tensor:
    return _add(values, fragments.pixel, _pixels(fragments)).reshape(fragments.images, *fragments.image_size)
