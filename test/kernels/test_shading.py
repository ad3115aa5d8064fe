"""Shading, against the same by NumPy."""

import numpy as np
import pytest

from pose_tracker_ros.kernels.shading import shade


def shaded_by_numpy(mask, normal, albedo, directions, colors, ambient, half, strength, exponent):
    lambert = np.maximum(normal[mask] @ directions.T, 0)
    highlight = strength * np.maximum(normal[mask] @ half, 0) ** exponent if strength > 0 else np.zeros(len(albedo))
    color = np.zeros((*mask.shape, 3), np.float32)
    color[mask] = albedo * (lambert @ colors + ambient) + highlight[:, None]
    return color


@pytest.mark.parametrize("lamps, strength", [(0, 0.0), (1, 0.0), (3, 90.0)])
def test_it_is_lambert_and_a_highlight(lamps, strength):
    random = np.random.default_rng(lamps)

    def units(*shape):
        vectors = random.normal(size=(*shape, 3))
        return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)

    mask = random.random((12, 12)) < 0.6
    albedo = random.uniform(0, 255, (mask.sum(), 3)).astype(np.float32)
    colors = random.random((lamps, 3)).astype(np.float32)
    ambient = random.random(3).astype(np.float32)
    given = (mask, units(12, 12), albedo, units(lamps), colors, ambient, units(), strength, 20.0)
    shaded = np.zeros((12, 12, 3), np.float32)
    shade(*given, shaded)
    np.testing.assert_allclose(shaded, shaded_by_numpy(*given), rtol=1e-4, atol=1e-3)
