"""Things between camera and object: which pixels they cover."""

from __future__ import annotations

import numpy as np

# How far something in front reaches beyond the object's bounding box, pixels.
REACH_PX = 40
# Share of a spell in which the occluder comes, and in which it goes.
RAMP = 0.25


def covering_side(mask: np.ndarray, share: float, angle_rad: float) -> np.ndarray:
    """Pixels (H, W) bool of a thing with a straight edge that hides ``share`` (0..1) of the pixels of ``mask`` (H, W).

    It comes from the side to which ``angle_rad`` points, from x to the right towards y downwards.
    """
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    place = np.arange(width) * np.cos(angle_rad) + np.arange(height)[:, None] * np.sin(angle_rad)
    edge = np.quantile(place[rows, columns], 1 - share)
    box = np.zeros_like(mask)
    box[
        max(rows.min() - REACH_PX, 0) : rows.max() + REACH_PX,
        max(columns.min() - REACH_PX, 0) : columns.max() + REACH_PX,
    ] = True
    return box & (place > edge)


def spell_share(frame: int, first_frame: int, period_frames: int, spell_frames: int, share: float) -> float:
    """How much is hidden in a frame when every ``period_frames`` something comes, stays and goes within ``spell_frames``.

    0 outside of the spells; within them it rises to ``share`` over the first quarter and falls over the last.
    """
    since = frame - first_frame
    if since < 0 or since % period_frames >= spell_frames:
        return 0.0
    progress = (since % period_frames + 0.5) / spell_frames
    return share * min(1.0, progress / RAMP, (1 - progress) / RAMP)
