"""``pose-tracker bench --times``: how long the tracker takes for a frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.table import Table

from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.tracking_speed import times_of_many, tracking_times
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import TrackerConfig


def bench_times(names: Sequence[str] | None, config: TrackerConfig, frames: int, seed: int, count: int = 0) -> None:
    """A table of how long frames take, with how busy the machine was before.

    Without a network, unless the options say when it is asked. ``count``: of so many objects at once alone, 0 = all cases.
    """
    config = replace(config, network="never") if config.network == "auto" else config
    models = [model for model in known_objects(names) if not names or model.name in names]
    load = os.getloadavg()[0]
    of_network = ("network ms", "of it inference", "passes a frame") if config.network != "never" else ()
    table = Table("objects", "faces", "frames", "tracked %", "median ms", "95 %", "longest", *of_network)
    cases = (
        [times_of_many(models, count, config, frames, seed)] if count else tracking_times(models, config, frames, seed)
    )
    for one in cases:
        median, most = np.percentile(one.milliseconds, (50, 95))
        shown = [f"{100 * one.tracked:.1f}", *(f"{ms:.2f}" for ms in (median, most, one.milliseconds.max()))]
        if of_network:
            shown += [f"{np.median(ms):.2f}" for ms in (one.network, one.inference)]
            shown.append(f"{one.passes / len(one.milliseconds):.2f}")
        table.add_row(one.name, f"{one.faces:,}", str(len(one.milliseconds)), *shown)
    network = f"network {config.network} on {config.device}" if of_network else "no network"
    table.caption = f"one thread, {network}; load before: {load:.2f}"
    print_table(table)


def known_objects(names: Sequence[str] | None) -> list[ObjectModel]:
    """All of the benchmark's objects. Raises ValueError where ``names`` has others."""
    models = benchmark_objects()
    unknown = set(names or ()) - {model.name for model in models}
    if unknown:
        known = ", ".join(model.name for model in models)
        raise ValueError(f"expected objects of the benchmark ({known}), got {', '.join(sorted(unknown))}")
    return models
