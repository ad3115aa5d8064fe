"""Numbers of files as colours: 8 bits, sRGB."""

from __future__ import annotations

import numpy as np


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Colours of a file as uint8, by their type and range: 8 and 16 bits by their type, other numbers 0..1 or else 0..255."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return np.uint8((values.astype(np.uint32) + 128) // 257)
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float64))
    whole = np.issubdtype(values.dtype, np.integer) or numbers.max(initial=0.0) > 1.0
    return np.uint8(np.rint(np.clip(numbers * (1.0 if whole else 255.0), 0, 255)))


def linear_of_srgb(values: np.ndarray) -> np.ndarray:
    """Linear light 0..1 of sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4)


def srgb_of_linear(values: np.ndarray) -> np.ndarray:
    """sRGB values 0..1 of linear light, clipped to 0..1 (IEC 61966-2-1)."""
    light = np.clip(np.nan_to_num(values), 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def bytes_of_linear(values: np.ndarray) -> np.ndarray:
    """uint8 sRGB of linear light."""
    return np.uint8(np.rint(255 * srgb_of_linear(values)))
