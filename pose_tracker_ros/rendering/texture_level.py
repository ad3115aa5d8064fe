"""Which level of a texture's pyramid an image shows; one rule, so that all renderers draw the same colours."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.objects import Mesh


def texels_per_metre(mesh: Mesh) -> float:
    """Typical texture resolution on the surface: square root of texel area over surface area."""
    corners, uv = mesh.vertices[mesh.faces], mesh.uv[mesh.faces] * (mesh.texture.shape[1], mesh.texture.shape[0])
    surface = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    edge_a, edge_b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    texels = np.abs(edge_a[:, 0] * edge_b[:, 1] - edge_a[:, 1] * edge_b[:, 0]).sum()
    return float(np.sqrt(texels / max(surface, 1e-12)))


def pyramid_level(texture_per_metre: float, focal_px: float, mean_depth_m: float) -> int:
    """Halvings of the texture after which a texel is about, but not more than, a pixel in size.

    One level for the whole image: choosing by the most foreshortened direction of every pixel, as graphics
    cards do, blurs more than the camera would.
    """
    pixels_per_metre = focal_px / mean_depth_m
    return int(np.log2(max(texture_per_metre / pixels_per_metre, 1.0)))
