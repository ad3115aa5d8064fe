"""Where the object ends on lines across its outline, as colours tell.

A line is cut into segments. Each has a posterior: that its colours are the object's and not those of its surroundings.
For each place of the border the segments around it are compared with a soft step; the rest of the line has no say (as in
the region modality of Stoiber et al., "A Sparse Gaussian Approach to Region-Based 6DoF Object Tracking", ACCV 2020). There
a segment's likelihood is multiplied; here its departure from not knowing is summed, so that to confirm weighs as much as
to contradict: evidence on one side of the border only does not pull it to the other side, and a line without any has
its mean in the middle and the variance of not knowing.
"""

from __future__ import annotations

from math import exp, tanh

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Bins along each colour channel, and bits of a channel beyond its bin.
BINS, BIN_SHIFT = 16, 4
# Places of the border on a line, segments around each that are looked at, and segments of a line (of the paper).
PLACES, WINDOW = 12, 8
SEGMENTS = PLACES + WINDOW - 1
# The step is so soft, segments (of the paper).
SLOPE = 0.5
# What a sure segment weighs: half of log(0.93 / 0.07), since 7 % of pixels may show anything (the paper's amplitude 0.43).
WEIGHT = 1.29
# Variance of the border on a perfect line, segments squared: that of the soft step.
LEAST_VARIANCE = 0.5
# Posterior of what says nothing.
UNKNOWN = 0.5


@helper
def _bin(color, row, column):
    red, green, blue = color[row, column, 0], color[row, column, 1], color[row, column, 2]
    return ((red >> BIN_SHIFT) * BINS + (green >> BIN_SHIFT)) * BINS + (blue >> BIN_SHIFT)


@kernel("void(uint8[:, :, ::1], uint8[:, ::1], int64, int64, int64, float32[::1], float32[::1])")
def count_colors(color, label, left, top, scale, inside, outside):
    """Add the colours of an image (H, W, 3) to histograms (BINS^3,).

    label (h, w): 1 inside, 2 outside, 0 neither; its pixel (row, column) is the image's (top + scale row, left + scale column).
    """
    for row in range(label.shape[0]):
        image_row = top + scale * row
        if image_row < 0 or image_row >= color.shape[0]:
            continue
        for column in range(label.shape[1]):
            image_column = left + scale * column
            if label[row, column] == 0 or image_column < 0 or image_column >= color.shape[1]:
                continue
            if label[row, column] == 1:
                inside[_bin(color, image_row, image_column)] += 1
            else:
                outside[_bin(color, image_row, image_column)] += 1


@kernel("void(uint8[:, :, ::1], float32[::1], float64[:, ::1], float64[:, ::1], float64, float64[:, ::1])")
def sample_colors(color, posterior, places, normals, segment_px, samples):
    """Fill samples (L, SEGMENTS), posteriors from the inside out, of lines through places (L, 2) along normals (L, 2).

    color (H, W, 3); posterior (BINS^3,): that a colour is the object's; segment_px: length of a segment, of which each
    pixel counts as independent. What is outside of the image says nothing.
    """
    steps = max(1, int(np.rint(segment_px)))
    for line in range(places.shape[0]):
        for segment in range(SEGMENTS):
            on, off = 1.0, 1.0
            for step in range(steps):
                along = ((segment - (SEGMENTS - 1) / 2) + (step - (steps - 1) / 2) / steps) * segment_px
                column = int(np.rint(places[line, 0] + along * normals[line, 0]))
                row = int(np.rint(places[line, 1] + along * normals[line, 1]))
                if 0 <= column < color.shape[1] and 0 <= row < color.shape[0]:
                    value = posterior[_bin(color, row, column)]
                    on *= value
                    off *= 1 - value
            samples[line, segment] = on / (on + off) if on + off > 0 else UNKNOWN


@kernel("void(float64[:, ::1], float64, float64[::1], float64[::1])")
def find_borders(samples, segment_px, means, variances):
    """Fill means (L,) and variances (L,) of where the object ends on lines of samples (L, SEGMENTS), pixels from their middle."""
    step = np.empty(WINDOW)
    for k in range(WINDOW):
        step[k] = -tanh((k - (WINDOW - 1) / 2) / (2 * SLOPE))
    for line in range(samples.shape[0]):
        total, mean, square = 0.0, 0.0, 0.0
        for border in range(PLACES):
            agreement = 0.0
            for k in range(WINDOW):
                agreement += (2 * samples[line, border + k] - 1) * step[k]
            probability = exp(WEIGHT * agreement)
            place = border - (PLACES - 1) / 2
            total += probability
            mean += probability * place
            square += probability * place * place
        mean /= total
        means[line] = mean * segment_px
        variances[line] = max(square / total - mean * mean, LEAST_VARIANCE) * segment_px * segment_px
