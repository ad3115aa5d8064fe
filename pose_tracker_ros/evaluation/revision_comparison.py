"""Two revisions of the tracker on the same sequences: rows, paired differences and ratios of times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from pose_tracker_ros.evaluation.scene_summary import half_interval

ALL = "ALL"


class SideRow(NamedTuple):
    """What one side, ``old`` or ``new``, did on one sequence.

    source, asked_object, seed, number, count: what was asked for, set or path of a real sequence, its object (empty for
    all), seed, and which of how many sequences of that; first: 1 for the side that ran first;
    name, scene, group, object_name, checksum, load: as :class:`SceneRun`; frames and so on: as :class:`SceneSummary`,
    NaN for what is not known, infinite add_median where most frames are without a pose;
    ms_ratio: median over frames of the new side's time by the old side's, the same on both sides.
    """

    side: str
    source: str
    asked_object: str
    seed: int
    number: int
    count: int
    first: int
    name: str
    scene: str
    group: str
    object_name: str
    checksum: str
    frames: int
    lost: int
    tracking_frames: int
    false_tracking_frames: int
    false_tracking: float
    due_frames: int
    false_lost_frames: int
    false_lost: float
    seen_frames: int
    add_auc: float
    add_median: float
    events: int
    recovered_15: int
    recovered_30: int
    latency_median_ms: float
    latency_max_ms: float
    ms_ratio: float
    load: float

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What was asked for."""
        return self.source, self.asked_object, self.seed, self.number

    @property
    def recovered_share_15(self) -> float:
        """Share of the events with a recovery within 15 frames, NaN without events."""
        return self.recovered_15 / self.events if self.events else float("nan")

    @property
    def recovered_share_30(self) -> float:
        """The same within 30 frames."""
        return self.recovered_30 / self.events if self.events else float("nan")


COLUMN_KINDS: dict[str, type] = get_type_hints(SideRow)


class Pair(NamedTuple):
    """Both sides on one sequence."""

    old: SideRow
    new: SideRow

    @property
    def same_frames(self) -> bool:
        """Whether both saw the same, to the last bit."""
        return self.old.checksum == self.new.checksum and self.old.frames == self.new.frames


class Measure(NamedTuple):
    """A figure of a row that is compared; ``factor`` and ``decimals`` are those of its unit in tables."""

    field: str
    heading: str
    factor: float
    decimals: int
    higher_is_better: bool


MEASURES = (
    Measure("add_auc", "ADD(-S) AUC %", 100, 1, True),
    Measure("add_median", "median mm", 1e3, 2, False),
    Measure("false_tracking", "false tracking %", 100, 1, False),
    Measure("false_lost", "false lost %", 100, 1, False),
    Measure("lost", "lost", 1, 2, False),
    Measure("recovered_share_15", "recovered in 15 %", 100, 0, True),
    Measure("recovered_share_30", "recovered in 30 %", 100, 0, True),
)


class Difference(NamedTuple):
    """New against old, over the sequences for which both are known.

    pairs: how many; old, new: means; mean: of new - old; half: half the 95 % interval of mean, NaN where not known.
    """

    pairs: int
    old: float
    new: float
    mean: float
    half: float

    def verdict(self, higher_is_better: bool) -> str:
        """``worse`` or ``better`` where the whole interval says so, else nothing."""
        return _verdict(self.mean - self.half, self.mean + self.half, 0.0, higher_is_better)


class TimeRatio(NamedTuple):
    """Times of the new side against the old one's.

    old_ms, new_ms: median over sequences of the median frame; ratio: geometric mean over sequences of ms_ratio, with its
    95 % interval low, high (NaN with one sequence); old_longest_ms, new_longest_ms: of all frames.
    """

    old_ms: float
    new_ms: float
    ratio: float
    low: float
    high: float
    old_longest_ms: float
    new_longest_ms: float

    @property
    def verdict(self) -> str:
        """As :meth:`Difference.verdict`."""
        return _verdict(self.low, self.high, 1.0, higher_is_better=False)


class Comparison(NamedTuple):
    """A line of the report: ``differences`` by the field of :data:`MEASURES`."""

    sequences: int
    differences: Mapping[str, Difference]
    time: TimeRatio


class GroupKey(NamedTuple):
    """What a line is about, ALL for everything."""

    scene: str
    group: str
    object_name: str


def make_pair(old: Mapping[str, Any], new: Mapping[str, Any], source: str, asked_object: str, old_first: bool) -> Pair:
    """The rows of two workers' answers to the same request."""
    ratio = median_ratio(old["ms"], new["ms"])
    asked = {"source": source, "asked_object": asked_object, "ms_ratio": ratio}
    return Pair(
        _side_row(old, side="old", first=int(old_first), **asked),
        _side_row(new, side="new", first=int(not old_first), **asked),
    )


def compare(pairs: Iterable[Pair]) -> dict[GroupKey, Comparison]:
    """A line for every object of every group of every set, for all objects of a group with several, and for everything.

    Pairs that did not see the same frames are left out.
    """
    members: dict[GroupKey, list[Pair]] = {}
    for pair in pairs:
        if pair.same_frames:
            row = pair.new
            for key in (
                GroupKey(row.scene, row.group, row.object_name),
                GroupKey(row.scene, row.group, ALL),
                GroupKey(ALL, ALL, ALL),
            ):
                members.setdefault(key, []).append(pair)
    alone = {key for key in members if key.object_name == ALL != key.scene and _objects(members[key]) == 1}
    members = {key: some for key, some in members.items() if key not in alone}
    return {key: _comparison(members[key]) for key in sorted(members, key=lambda key: _place(key, list(members)))}


def paired_difference(old: Sequence[float], new: Sequence[float]) -> Difference:
    """Mean of new - old over sequences (N,), and half of its 95 % interval by Student's t, as :func:`half_interval`.

    A sequence of which one side is NaN is left out. Two infinite values are equal; where one of two is infinite, so is
    the mean difference, and no interval is known.
    """
    old, new = np.asarray(old, np.float64), np.asarray(new, np.float64)
    known = ~(np.isnan(old) | np.isnan(new))
    old, new = old[known], new[known]
    if not len(old):
        return Difference(0, *[float("nan")] * 4)
    with np.errstate(invalid="ignore"):
        differences = np.where(old == new, 0.0, new - old)
        mean = differences.mean()
    return Difference(len(old), float(old.mean()), float(new.mean()), float(mean), half_interval(differences))


def time_ratio(pairs: Sequence[Pair]) -> TimeRatio:
    """Times of some sequences; the interval is Student's t of the logarithms of their ratios."""
    logarithms = np.log([pair.new.ms_ratio for pair in pairs])
    mean, half = logarithms.mean(), half_interval(logarithms)
    olds, news = zip(*pairs)
    return TimeRatio(
        *(float(np.median([row.latency_median_ms for row in rows])) for rows in (olds, news)),
        *(float(np.exp(value)) for value in (mean, mean - half, mean + half)),
        *(max(row.latency_max_ms for row in rows) for rows in (olds, news)),
    )


def median_ratio(old_ms: Sequence[float], new_ms: Sequence[float]) -> float:
    """Median over frames (N,) of new by old; NaN where the sides have other numbers of frames."""
    if len(old_ms) != len(new_ms):
        return float("nan")
    return float(np.median(np.asarray(new_ms, np.float64) / np.asarray(old_ms, np.float64)))


def _comparison(pairs: Sequence[Pair]) -> Comparison:
    differences = {
        measure.field: paired_difference(*([getattr(row, measure.field) for row in rows] for rows in zip(*pairs)))
        for measure in MEASURES
    }
    return Comparison(len(pairs), differences, time_ratio(pairs))


def _objects(pairs: Sequence[Pair]) -> int:
    return len({pair.new.object_name for pair in pairs})


def _side_row(answer: Mapping[str, Any], **fields: Any) -> SideRow:
    counted = {"object_name": answer["object"], **answer, **answer["summary"], **fields}
    row = {name: kind("nan" if counted[name] is None else counted[name]) for name, kind in COLUMN_KINDS.items()}
    # An answer says nothing of a median that is infinite, nor of one of no frames.
    if row["seen_frames"] and answer["summary"]["add_median"] is None:
        row["add_median"] = float("inf")
    return SideRow(**row)


def _verdict(low: float, high: float, neutral: float, higher_is_better: bool) -> str:
    if low > neutral:
        return "better" if higher_is_better else "worse"
    if high < neutral:
        return "worse" if higher_is_better else "better"
    return ""


def _place(key: GroupKey, keys: list[GroupKey]) -> tuple:
    """Sets, groups and objects as they came, ALL as the last."""
    return tuple(
        (value == ALL, next(place for place, other in enumerate(keys) if other[column] == value))
        for column, value in enumerate(key)
    )
