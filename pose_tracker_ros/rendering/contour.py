"""Silhouettes with exact outlines, whose gradient lives on the outline.

The hard mask of a mesh changes only where its outline crosses the line between two neighbouring pixel centres, one
covered and one not. Where on that line it crosses decides how much of the two pixels is covered (the idea of
nvdiffrast's antialiasing, arXiv 2011.03277). So the covered area is right to a fraction of a pixel whatever the number of
faces, nothing is dilated, and the slope on the outline is not zero but one: a SoftRas silhouette has all three
flaws. Blurring the image afterwards widens the gradient's reach without moving the outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pose_tracker_ros.rendering.soft_rasterizer import (
    RasterizationSettings,
    expand_counts,
    find_fragments,
    project,
)


@dataclass(frozen=True)
class MeshEdges:
    """The edges of a mesh: ``ends`` (E, 2) vertices, and ``opposite`` (E, M) third corners of the faces at each.

    Rows of ``opposite`` with fewer than M faces repeat one of them.
    """

    ends: torch.Tensor
    opposite: torch.Tensor

    @classmethod
    def from_faces(cls, vertices: np.ndarray, faces: np.ndarray) -> MeshEdges:
        """Edges of vertices (V, 3) and faces (F, 3); vertices at one place, as along texture seams, are one."""
        extent = float(np.ptp(vertices, axis=0).max()) or 1.0
        _, first, group = np.unique(
            np.round(vertices / (extent * 1e-6)).astype(np.int64), axis=0, return_index=True, return_inverse=True
        )
        merged = first[group.reshape(-1)][faces]
        merged = merged[
            (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])
        ]
        ends = np.sort(np.concatenate([merged[:, [0, 1]], merged[:, [1, 2]], merged[:, [2, 0]]]), axis=1)
        third = np.concatenate([merged[:, 2], merged[:, 0], merged[:, 1]])
        edges, edge_of, counts = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(edge_of.reshape(-1), kind="stable")
        starts = np.cumsum(counts) - counts
        places = np.minimum(np.arange(counts.max(initial=1)), counts[:, None] - 1)
        return cls(torch.as_tensor(edges), torch.as_tensor(third[order][starts[:, None] + places]))


@dataclass(frozen=True)
class Crossings:
    """M places where the outline crosses the line from a covered pixel's centre to an uncovered neighbour's.

    covered, uncovered: (M,) indices into the flattened (N, height, width). axis: (M,) 0 for neighbours in a row, 1
    in a column. direction: (M,) +1 when the uncovered pixel has the larger coordinate, else -1. line: (M,) row
    (axis 0) or column (axis 1) of both. start: (M,) column (axis 0) or row (axis 1) of the covered one.
    ends: (M, 2) vertices of the edge in the flattened (N, V).
    """

    covered: torch.Tensor
    uncovered: torch.Tensor
    axis: torch.Tensor
    direction: torch.Tensor
    line: torch.Tensor
    start: torch.Tensor
    ends: torch.Tensor

    def place(self, corners: torch.Tensor) -> torch.Tensor:
        """How far (M,), 0..1, from the covered to the uncovered centre the edge crosses; has gradients.

        Parameters: ``corners`` (M, 2, 2), the pixels of the edge's two ends.
        """
        along = torch.where(self.axis[:, None] == 0, corners[..., 0], corners[..., 1])
        across = torch.where(self.axis[:, None] == 0, corners[..., 1], corners[..., 0])
        share = (self.line - across[:, 0]) / (across[:, 1] - across[:, 0])
        crossing = along[:, 0] + share * (along[:, 1] - along[:, 0])
        return (crossing - self.start) * self.direction

    def pixel(self, place: torch.Tensor) -> torch.Tensor:
        """The pixel (M,) whose coverage the crossing decides: the one it lies in."""
        return torch.where(place < 0.5, self.covered, self.uncovered)


def silhouette_coverage(
    points: torch.Tensor,
    faces: torch.Tensor,
    edges: MeshEdges,
    intrinsics: torch.Tensor,
    settings: RasterizationSettings,
) -> torch.Tensor:
    """Covered share (N, height, width) of every pixel, with gradients to points and intrinsics.

    0 and 1 away from the outline; at sharp corners slightly outside of 0..1, so that sums stay areas.
    Parameters: as :func:`rasterize`; of the settings, size, culling and near plane count.
    """
    screen = project(points, intrinsics)
    with torch.no_grad():
        mask = hard_mask(screen.detach(), points[..., 2].detach(), faces, settings)
        crossings = find_crossings(screen.detach(), points[..., 2].detach(), mask, edges, settings.near)
    corners = screen.reshape(-1, 2).index_select(0, crossings.ends.reshape(-1)).reshape(-1, 2, 2)
    place = crossings.place(corners)
    coverage = mask.to(points.dtype).reshape(-1).index_add(0, crossings.pixel(place.detach()), place - 0.5)
    return coverage.reshape(mask.shape)


def hard_mask(
    screen: torch.Tensor, z: torch.Tensor, faces: torch.Tensor, settings: RasterizationSettings
) -> torch.Tensor:
    """Pixels (N, height, width) bool whose centre a face covers."""
    pixel, _ = find_fragments(screen, z, faces, settings)
    mask = torch.zeros(len(screen) * settings.image_size[0] * settings.image_size[1], dtype=torch.bool)
    mask = mask.to(screen.device)
    mask[pixel] = True
    return mask.reshape(len(screen), *settings.image_size)


def find_crossings(
    screen: torch.Tensor, z: torch.Tensor, mask: torch.Tensor, edges: MeshEdges, near: float = 1e-3
) -> Crossings:
    """Where outlines cross between pixels of which one is covered.

    Parameters: ``screen`` (N, V, 2) pixels and ``z`` (N, V) metres of the vertices; ``mask`` (N, height, width) bool.
    """
    image, edge, side = _outline_edges(screen, z, edges, near)
    ends = edges.ends[edge] + (image * screen.shape[1])[:, None]
    corners = screen.reshape(-1, 2)[ends.reshape(-1)].reshape(-1, 2, 2)
    parts = [_crossings_along(axis, corners, ends, image, side, mask) for axis in (0, 1)]
    return Crossings(*(torch.cat(values) for values in zip(*parts)))


def _outline_edges(
    screen: torch.Tensor, z: torch.Tensor, edges: MeshEdges, near: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image and index (C,) of edges that have all their faces on one side in the image, and that side's sign."""
    a, b = screen[:, edges.ends[:, 0]], screen[:, edges.ends[:, 1]]
    along = (b - a)[:, :, None]
    to_face = screen[:, edges.opposite] - a[:, :, None]
    sides = along[..., 0] * to_face[..., 1] - along[..., 1] * to_face[..., 0]
    low, high = sides.amin(dim=2), sides.amax(dim=2)
    in_front = torch.minimum(z[:, edges.ends].amin(dim=2), z[:, edges.opposite].amin(dim=2)) > near
    image, edge = torch.nonzero(((low >= 0) | (high <= 0)) & in_front, as_tuple=True)
    return image, edge, torch.sign(low + high)[image, edge]


def _crossings_along(
    axis: int,
    corners: torch.Tensor,
    ends: torch.Tensor,
    image: torch.Tensor,
    side: torch.Tensor,
    mask: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Fields of Crossings between neighbours in rows (axis 0) or columns (axis 1).

    Edges that run more along the neighbours than across them are left to the other axis, so that every piece of
    outline counts once.
    """
    height, width = mask.shape[1:]
    lines, pixels = (height, width) if axis == 0 else (width, height)
    stride, line_stride = (1, width) if axis == 0 else (width, 1)
    along, across = corners[..., axis], corners[..., 1 - axis]
    run, rise = along[:, 1] - along[:, 0], across[:, 1] - across[:, 0]
    steep = (rise.abs() >= run.abs()) if axis == 0 else (rise.abs() > run.abs())
    first = torch.ceil(across.amin(dim=1)).clamp(0, lines)
    last = torch.floor(across.amax(dim=1)).clamp(-1, lines - 1)
    counts = torch.where(steep & (rise != 0), (last - first + 1).clamp(min=0), torch.zeros_like(first)).long()
    which, place = expand_counts(counts)
    line = first[which].long() + place
    crossing = along[which, 0] + (line - across[which, 0]) / rise[which] * run[which]
    low = torch.floor(crossing).clamp(-1, pixels)
    visible = (low >= 0) & (low < pixels - 1)
    which, line, crossing, low = which[visible], line[visible], crossing[visible], low[visible].long()

    low_pixel = image[which] * height * width + line * line_stride + low * stride
    flat = mask.reshape(-1)
    low_covered, high_covered = flat[low_pixel], flat[low_pixel + stride]
    direction = torch.where(low_covered, 1, -1)
    # The faces at the edge must lie towards the covered pixel, or the edge is in front of something else.
    towards_covered = direction * rise[which] * (1 if axis == 0 else -1)
    fits = (low_covered != high_covered) & (towards_covered * side[which] >= 0)
    which, line, crossing, low, low_pixel, direction = (
        values[fits] for values in (which, line, crossing, low, low_pixel, direction)
    )
    start = torch.where(direction > 0, low, low + 1)
    outermost = _largest_of_each(low_pixel, (crossing - start) * direction, flat.numel())
    which, line, start, low_pixel, direction = (
        values[outermost] for values in (which, line, start, low_pixel, direction)
    )
    covered = torch.where(direction > 0, low_pixel, low_pixel + stride)
    return (
        covered,
        covered + direction * stride,
        torch.full_like(covered, axis),
        direction,
        line,
        start,
        ends[which],
    )


def _largest_of_each(group: torch.Tensor, value: torch.Tensor, groups: int) -> torch.Tensor:
    """Indices of the largest ``value`` (M,), not negative, of each group (M,); of equals the last."""
    bits = value.clamp(min=0).float().view(torch.int32).long()
    keys = (bits << 32) | torch.arange(len(value), device=value.device)
    best = torch.full((groups,), -1, dtype=torch.int64, device=value.device)
    best.scatter_reduce_(0, group, keys, "amax")
    return best[best >= 0] & 0xFFFFFFFF
