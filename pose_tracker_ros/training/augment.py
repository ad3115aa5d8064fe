"""How a camera spoils the perfect image: colour and depth defects, for crops of any resolution."""

from __future__ import annotations

import cv2
import numpy as np


def augment_color(color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """White balance, brightness, contrast, blur, lower resolution and noise on (R, R, 3) float32 0..255."""
    gain = generator.uniform(0.6, 1.4) * generator.uniform(0.85, 1.15, 3)
    color = color * gain.astype(np.float32) + np.float32(generator.uniform(-15, 15))
    if generator.random() < 0.3:
        grey = color.mean(axis=2, keepdims=True)
        color = grey + (color - grey) * np.float32(generator.uniform(0.3, 1.5))
    if generator.random() < 0.4:
        size = color.shape[0]
        small = int(size * generator.uniform(0.35, 1.0))
        color = cv2.resize(cv2.resize(color, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    if generator.random() < 0.3:
        color = _motion_blur(color, generator)
    elif generator.random() < 0.3:
        color = cv2.GaussianBlur(color, (0, 0), generator.uniform(0.4, 1.8))
    color = color + generator.normal(0, generator.uniform(0, 6), color.shape).astype(np.float32)
    return np.clip(color, 0, 255)


def _motion_blur(color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    length = int(generator.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    middle, angle = (length - 1) / 2, generator.uniform(0, np.pi)
    offset = middle * np.array([np.cos(angle), np.sin(angle)])
    start, stop = np.rint(middle - offset).astype(int), np.rint(middle + offset).astype(int)
    cv2.line(kernel, start.tolist(), stop.tolist(), 1.0)
    return cv2.filter2D(color, -1, kernel / kernel.sum())


def augment_depth(depth: np.ndarray, distance: float, generator: np.random.Generator) -> np.ndarray:
    """Stereo defects on depth (R, R) float32 metres, 0 = none; ``distance`` of the object in metres.

    Noise correlated over a few pixels and growing with the square of the distance, bias, quantisation,
    foreground fattening, misregistration to colour, lost edges and holes. The bias is what real cameras
    show: depth of a calibrated RealSense is up to a centimetre off where colour says the object is, along
    the ray and, since colour and depth are not exposed at the same moment, across it.
    """
    size = depth.shape[0]
    if generator.random() < 0.7:
        depth = _shifted(depth, generator.normal(0, 3.5, 2) * size / 128)
    if generator.random() < 0.4:
        kernel = int(generator.choice([3, 5]))
        # A stereo matcher gives the foreground's depth to pixels around it: nearest depth wins.
        far = np.where(depth > 0, depth, np.float32(100))
        depth = cv2.erode(far, np.ones((kernel, kernel), np.uint8))
        depth[depth > 99] = 0
    valid = depth > 0
    deviation = generator.uniform(0, 0.004) * max(distance, 0.3) ** 2 / 0.36
    cells = max(2, int(size / generator.uniform(1, 6)))
    noise = generator.normal(0, deviation, (cells, cells)).astype(np.float32)
    depth = depth + cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR)
    depth += np.float32(generator.normal(0, 0.001 if generator.random() < 0.3 else 0.008))
    if generator.random() < 0.3:
        step = np.float32(generator.uniform(0.0005, 0.004))
        depth = np.rint(depth / step) * step
    if generator.random() < 0.6:
        valid &= ~_near_edges(depth, valid, generator)
    if generator.random() < 0.6:
        valid &= ~_patches(size, generator.uniform(0, 0.25), generator)
    return np.where(valid, depth, np.float32(0)).astype(np.float32)


def _shifted(image: np.ndarray, offset: np.ndarray) -> np.ndarray:
    matrix = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], dtype=np.float64)
    return cv2.warpAffine(image, matrix, image.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def _near_edges(depth: np.ndarray, valid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Pixels beside a depth step, on a random part of all steps."""
    kernel = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel)
    edges = (spread > generator.uniform(0.01, 0.05)) & valid
    edges = cv2.dilate(edges.astype(np.uint8), kernel, iterations=int(generator.integers(0, 3)))
    return edges.astype(bool) & ~_patches(len(depth), 0.5, generator)


def _patches(size: int, share: float, generator: np.random.Generator) -> np.ndarray:
    """A random mask (size, size) of smooth blobs that covers about ``share`` of the image."""
    cells = int(generator.integers(4, 40))
    noise = cv2.resize(generator.random((cells, cells), dtype=np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return noise < share
