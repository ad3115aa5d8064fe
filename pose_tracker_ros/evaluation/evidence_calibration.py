"""From log ratios to a probability, and how well right and wrong poses are told apart by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from pose_tracker_ros.evaluation.evidence_samples import Sample
from pose_tracker_ros.tracking.evidence import Calibration

# Weight of a small prior on the slopes, in samples: without it they grow without end where groups are separable.
PRIOR_SAMPLES = 1.0
NEWTON_STEPS = 50
BINS = 10
WRONG_ACCEPTED = 0.001


class Bin(NamedTuple):
    """Samples whose probability is in one interval: mean probability, weighted share that is right, and their number."""

    probability: float
    right: float
    samples: int


def colors_alone(samples: Sequence[Sample]) -> list[Sample]:
    """The samples as if no depth had been measured, of objects whose colours are known."""
    return [one._replace(evidence=one.without_depth) for one in samples if one.without_depth.color_share > 0]


def out_of_fold(parts: Sequence[Sequence[Sample]]) -> np.ndarray:
    """Probabilities of all samples of two parts, those of each by the calibration that was fitted on the other."""
    one, other = parts
    return np.concatenate([probabilities(one, fitted(other)), probabilities(other, fitted(one))])


def features(samples: Sequence[Sample]) -> np.ndarray:
    """Rows (N, 3): depth ratio, colour ratio, 1."""
    return np.array([[one.evidence.depth_ratio, one.evidence.color_ratio, 1.0] for one in samples])


def balanced_weights(samples: Sequence[Sample]) -> np.ndarray:
    """Weights (N,) with which right and wrong, and within each all groups, count alike; their mean is 1."""
    groups = [(one.is_right, one.group) for one in samples]
    kinds = {kind: {group for group in groups if group[0] == kind} for kind in (True, False)}
    weights = np.array([1.0 / (groups.count(group) * len(kinds[group[0]])) for group in groups])
    return weights * len(samples) / weights.sum()


def fitted(samples: Sequence[Sample]) -> Calibration:
    """Logistic regression by Newton's method, with a weak normal prior on the slopes.

    Raises ValueError unless there are right and wrong ones.
    """
    if len({one.is_right for one in samples}) < 2:
        raise ValueError(f"expected right and wrong poses to calibrate on, got {len(samples)} of one kind; add objects")
    rows, weights = features(samples), balanced_weights(samples)
    right = np.array([one.is_right for one in samples], float)
    prior = np.diag([PRIOR_SAMPLES, PRIOR_SAMPLES, 0.0])
    coefficients = np.zeros(3)
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-rows @ coefficients))
        gradient = rows.T @ (weights * (right - probability)) - prior @ coefficients
        spread = weights * probability * (1 - probability)
        coefficients += np.linalg.solve((rows * spread[:, None]).T @ rows + prior, gradient)
    return Calibration(*(float(value) for value in coefficients))


def probabilities(samples: Sequence[Sample], calibration: Calibration) -> np.ndarray:
    """Probability (N,) of each sample."""
    return 1 / (1 + np.exp(-np.array([calibration.log_odds(*row[:2]) for row in features(samples)])))


def area_under_curve(values: np.ndarray, right: np.ndarray) -> float:
    """Probability that a right one (bool, N) has the larger value (N,) of two, ties counted half."""
    positive, negative = values[right], values[~right]
    larger = (positive[:, None] > negative).mean()
    return float(larger + 0.5 * (positive[:, None] == negative).mean())


def reliability(samples: Sequence[Sample], probability: np.ndarray) -> list[Bin]:
    """The samples in ten intervals of their probability; empty ones are left out."""
    weights, right = balanced_weights(samples), np.array([one.is_right for one in samples])
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        inside = place == number
        if inside.any():
            share = float(weights[inside & right].sum() / weights[inside].sum())
            bins.append(Bin(float(np.average(probability[inside], weights=weights[inside])), share, int(inside.sum())))
    return bins


def reliability_figure(curves: dict[str, list[Bin]]) -> Figure:
    """Share of right poses over the stated probability."""
    figure = Figure(figsize=(5.0, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    for name, bins in curves.items():
        axes.plot([one.probability for one in bins], [one.right for one in bins], marker="o", label=name)
    axes.set(xlabel="stated probability", ylabel="share of right poses", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="upper left", fontsize="small")
    axes.grid(alpha=0.3)
    return figure


def group_table(title: str, samples: Sequence[Sample], probability: np.ndarray) -> Table:
    """Ratios of every group, and shares whose ``probability`` (N,) is above limits."""
    table = Table(title=title)
    for heading in ("group", "poses", "E lowest", "median", "highest", "D median", "C median", "p > 0.5", "p > 0.9"):
        table.add_column(heading, justify="left" if heading == "group" else "right")
    for is_right, name in sorted({(one.is_right, one.group) for one in samples}, reverse=True):
        chosen = [number for number, one in enumerate(samples) if (one.is_right, one.group) == (is_right, name)]
        group = [samples[number] for number in chosen]
        ratio, rows = np.array([one.evidence.log_ratio for one in group]), features(group)
        cells = [f"{value:.2f}" for value in (ratio.min(), np.median(ratio), ratio.max(), *np.median(rows[:, :2], axis=0))]
        cells += [f"{100 * (probability[chosen] > limit).mean():.1f} %" for limit in (0.5, 0.9)]
        table.add_row(f"{'right' if is_right else 'wrong'}: {name}", str(len(group)), *cells)
    return table


def summary(samples: Sequence[Sample], probability: np.ndarray) -> list[str]:
    """How well right and wrong poses are told apart, as sentences; groups that one frame can't decide are left out."""
    usual = np.array([not one.is_extreme for one in samples])
    right = np.array([one.is_right for one in samples])[usual]
    ratio, probability = np.array([one.evidence.log_ratio for one in samples])[usual], probability[usual]
    threshold = float(np.quantile(ratio[~right], 1 - WRONG_ACCEPTED, method="higher"))
    sentences = [
        f"{right.sum()} right and {(~right).sum()} wrong poses",
        f"AUC of E {area_under_curve(ratio, right):.5f}, of the probability {area_under_curve(probability, right):.5f}",
        f"at 0.1 % of the wrong accepted (E > {threshold:.2f}): {100 * (ratio[right] <= threshold).mean():.2f} % of the "
        "right refused",
    ]
    for limit in (0.5, 0.9):
        sentences.append(
            f"at p > {limit}: {100 * (probability[~right] > limit).mean():.2f} % of the wrong accepted, "
            f"{100 * (probability[right] <= limit).mean():.2f} % of the right refused"
        )
    return sentences
