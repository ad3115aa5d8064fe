"""The rasterizer's kernels again, in plain NumPy and by other formulas: every pixel's ray against every triangle."""

from __future__ import annotations

import numpy as np


def project(vertices, projection):
    """Homogeneous pixel coordinates (V, 3) and pixels (V, 2)."""
    points = np.column_stack([vertices.astype(np.float64), np.ones(len(vertices))]) @ projection.T
    return points, points[:, :2] / points[:, 2:]


def rasterize(corners, camera):
    """Inverse depth (H, W) and face ids (H, W) of triangles whose corners (F, 3, 3) are points in the camera frame."""
    barycentric, depth = _ray_triangle(corners, camera)
    hit = (barycentric >= 0).all(axis=-1) & (depth > 0)
    inverse = np.where(hit, 1 / np.where(hit, depth, 1), 0)
    faces = inverse.argmax(axis=0)
    nearest = np.take_along_axis(inverse, faces[None], axis=0)[0]
    return nearest, np.where(nearest > 0, faces, -1)


def resolve(corners, corner_normals, rotation, camera):
    """Depth, normals towards the camera, mask, and shares (H, W, 3) of the corners; normals (F, 3, 3) of the object frame."""
    _, faces = rasterize(corners, camera)
    mask = faces >= 0
    all_shares, all_depth = _ray_triangle(corners, camera)
    rows, columns = np.indices(mask.shape)
    shares, depth = all_shares[faces, rows, columns], all_depth[faces, rows, columns]
    normal = np.einsum("hwk,hwkc->hwc", shares, corner_normals[faces]) @ rotation.T
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    normal *= np.where(np.sum(normal * camera.rays(), axis=-1) > 0, -1, 1)[..., None]
    return np.where(mask, depth, 0), np.where(mask[..., None], normal, 0), mask, shares


def paint_vertices(shares, mask, corner_colors, faces):
    """Colours (H, W, 3) of corner colours (F, 3, 3) at shares of corners."""
    colors = np.einsum("hwk,hwkc->hwc", shares, corner_colors[faces].astype(np.float64))
    return np.where(mask[..., None], np.rint(colors), 0).astype(np.uint8)


def paint_texture(shares, mask, corner_uv, faces, texture):
    """Bilinear look-up in a repeating texture at positions rounded to 1/32 texel."""
    height, width = texture.shape[:2]
    u, v = np.moveaxis(np.einsum("hwk,hwkc->hwc", shares, corner_uv[faces].astype(np.float64)), -1, 0)
    x = np.round(((u % 1.0) * width - 0.5) * 32) / 32
    y = np.round(((1 - v) % 1.0 * height - 0.5) * 32) / 32
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, along = (x - left)[..., None], (y - top)[..., None]
    total = 0
    for rows, share_y in ((top, 1 - along), (top + 1, along)):
        for columns, share_x in ((left, 1 - across), (left + 1, across)):
            total = total + share_y * share_x * texture[rows % height, columns % width]
    return np.where(mask[..., None], np.rint(total), 0).astype(np.uint8)


def paint_grids(shares, mask, grids, faces):
    """Colours of the points of a face's grid, each with the weight that linear interpolation in the small triangles gives it.

    That is 1 less the largest difference in steps of the three shares, or 0. ``grids``: for every face an array (S, 3) of
    colours in the order of the second, then the third share.
    """
    image = np.zeros((*mask.shape, 3), np.uint8)
    for row, column in np.argwhere(mask):
        grid = grids[faces[row, column]]
        steps = round(np.sqrt(2 * len(grid) + 0.25) - 1.5)
        points = np.array([(steps - i - j, i, j) for i in range(steps + 1) for j in range(steps + 1 - i)])
        weights = np.maximum(1 - np.abs(shares[row, column] * steps - points).max(axis=-1), 0)
        image[row, column] = np.rint(weights @ grid)
    return image


def _ray_triangle(corners, camera):
    """Shares (F, H, W, 3) of the corners and depth (F, H, W) where rays meet the triangles' planes.

    The ray r, with z = 1, meets the plane where depth r = sum of shares times corners.
    """
    rays = (
        np.linalg.inv(camera.matrix)
        @ np.stack([*np.indices((camera.height, camera.width))[::-1], np.ones((camera.height, camera.width))]).reshape(
            3, -1
        )
    ).T
    weights = np.stack([np.linalg.solve(triangle.T, rays.T).T for triangle in corners])
    depth = 1 / weights.sum(axis=-1)
    shape = (len(corners), camera.height, camera.width)
    return (weights * depth[..., None]).reshape(*shape, 3), depth.reshape(shape)
