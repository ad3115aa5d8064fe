"""``scripts/compare_revision``: another revision and the working tree on the same sequences."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import pose_tracker_ros
from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.interruption import exit_when_interrupted
from pose_tracker_ros.commands.overrides import plain_overrides
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.datasets.reader_options import with_absolute_paths
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.comparison_folder import Ask, ComparisonFolder, run_in_turn
from pose_tracker_ros.evaluation.frozen_sets import FROZEN_SETS
from pose_tracker_ros.evaluation.report import NOT_KNOWN
from pose_tracker_ros.evaluation.revision_comparison import (
    ALL,
    MEASURES,
    Comparison,
    Difference,
    GroupKey,
    Measure,
    Pair,
    compare,
)
from pose_tracker_ros.evaluation.revision_worker import (
    WORKING_TREE,
    RevisionWorker,
    checked_out,
    checkout_checksum,
)

console = Console()
EVERY_SET = "all"
# Above this load average something else ran before, and times are longer than they need be.
IDLE_LOAD = 0.2
ACCURACY, RECOVERIES = MEASURES[:5], MEASURES[5:]


def compare_revision(
    revision: Annotated[
        str, typer.Argument(metavar="REV", help="Old side: any revision that git knows, or . for the working tree.")
    ],
    objects: Annotated[
        list[str] | None, typer.Argument(metavar="[OBJECT]...", help="Only these objects; default all.")
    ] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(help=f"Frozen set of scenes: {', '.join(FROZEN_SETS)}, or all; may be repeated."),
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Only the first frames of each sequence of a set.")] = False,
    sequence: Annotated[
        list[Path] | None, typer.Option(help="Real sequence with true poses, instead of sets; may be repeated.")
    ] = None,
    reader: Annotated[list[str] | None, typer.Option(help="Option of the reader of --sequence as name=value.")] = None,
    seed: Annotated[int, typer.Option(help="First seed.", min=0)] = 0,
    repeat: Annotated[int, typer.Option(help="So many seeds.", min=1)] = 1,
    weights: Annotated[
        Path | None, typer.Option(help="Weights for both sides; default what each has of its own.")
    ] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the tracker as name=value, on both sides, which both must know.")
    ] = None,
    set_old: Annotated[list[str] | None, typer.Option(help="The same of the old side alone.")] = None,
    set_new: Annotated[list[str] | None, typer.Option(help="The same of the new side alone.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results of every sequence.")] = Path(
        "compare_revision_output"
    ),
) -> None:
    """Compare a revision with the working tree: each in a process of its own, in turn, sequence by sequence.

    Prints differences of the same sequences with 95 % intervals, and the ratio of times. The same command again goes on
    where it was interrupted.
    """
    with reported_errors():
        requests = _requests(scene, objects, sequence, reader, range(seed, seed + repeat), short)
        both = plain_overrides(set_option)
        options = [{**both, **plain_overrides(some)} for some in (set_old, set_new)]
        load_before = os.getloadavg()[0]
        repository = Path(pose_tracker_ros.__file__).resolve().parents[1]
        with exit_when_interrupted(output), ExitStack() as stack:
            checkouts = [stack.enter_context(checked_out(repository, rev)) for rev in (revision, WORKING_TREE)]
            code = [checkout_checksum(checkout) for checkout in checkouts]
            folder = ComparisonFolder(output, _settings(short, reader, weights, code, options))
            names = [f"revision {revision}", "the working tree"]
            workers = [stack.enter_context(RevisionWorker(*which)) for which in zip(checkouts, names)]
            # What one of them still loads would make the times of the other longer.
            for worker in workers:
                worker.wait_until_ready()
            asks = [_asker(worker, some, weights) for worker, some in zip(workers, options)]
            pairs = list(_shown(run_in_turn(requests, *asks, folder)))
            changed = checkout_checksum(repository) != code[1]
        _report(pairs, revision, options, code, load_before)
        if changed:
            console.print("the working tree was changed while this ran", style="yellow")
        console.print(f"every sequence is in {output / 'comparison.csv'}", soft_wrap=True)


def _settings(
    short: bool,
    reader: Sequence[str] | None,
    weights: Path | None,
    code: Sequence[str],
    options: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """What all sequences of a comparison depend on."""
    return {
        "short": short,
        "reader": list(reader or ()),
        "weights": weights and hashlib.blake2b(weights.read_bytes(), digest_size=8).hexdigest(),
        "old": {"code": code[0], "options": options[0]},
        "new": {"code": code[1], "options": options[1]},
    }


def _requests(
    scenes: Sequence[str] | None,
    objects: Sequence[str] | None,
    sequences: Sequence[Path] | None,
    reader: Sequence[str] | None,
    seeds: range,
    short: bool,
) -> list[dict[str, Any]]:
    """What both workers are asked for, in order; raises ValueError for a set or options that do not go together."""
    if bool(scenes) == bool(sequences):
        raise ValueError("expected either --scene or --sequence; run them one by one")
    if sequences:
        if short:
            raise ValueError("expected --short with --scene, got it with --sequence; leave it out")
        readers = {str(path.resolve()): with_absolute_paths(path, reader) for path in sequences}
        return [
            {"sequence": path, "object": name, "seed": seed, "reader": options}
            for path, options in readers.items()
            for name in objects or [None]
            for seed in seeds
        ]
    unknown = [name for name in scenes if name not in (*FROZEN_SETS, EVERY_SET)]
    if unknown:
        raise ValueError(f"expected sets of {', '.join(FROZEN_SETS)} or {EVERY_SET}, got {', '.join(unknown)}")
    return [
        {"scene": name, "object": object_name, "seed": seed, "short": short}
        for name in (FROZEN_SETS if EVERY_SET in scenes else dict.fromkeys(scenes))
        for object_name in objects or [model.name for model in benchmark_objects()]
        for seed in seeds
    ]


def _asker(worker: RevisionWorker, options: dict[str, Any], weights: Path | None) -> Ask:
    own = {"options": options, "weights": weights and str(weights.resolve())}
    return lambda request: worker.ask({**request, **own})


def _shown(runs: Iterable[tuple[Pair, bool]]) -> Iterator[Pair]:
    for pair, is_new in runs:
        before = "" if is_new else " (from before)"
        console.print(f"{_in_short(pair)}{before}", style="dim", soft_wrap=True, highlight=False)
        yield pair


def _in_short(pair: Pair) -> str:
    old, new = pair
    if not pair.same_frames:
        return f"{new.name}: other frames"
    return (
        f"{new.name}: AUC {100 * old.add_auc:.1f} → {100 * new.add_auc:.1f}, "
        f"{old.latency_median_ms:.1f} → {new.latency_median_ms:.1f} ms"
    )


def _report(
    pairs: Sequence[Pair], revision: str, options: Sequence[dict[str, Any]], code: Sequence[str], load_before: float
) -> None:
    lines = compare(pairs)
    for table in comparison_tables(lines) if lines else ():
        print_table(table)
    for side, name, checksum, some in zip(("old", "new"), (revision, "working tree"), code, options):
        console.print(f"{side}: {name} (code {checksum}), options {some or 'the default ones'}", soft_wrap=True)
    console.print(
        "old → new are means over sequences; ± and [ ] are 95 % intervals (Student's t) of the mean paired difference a "
        "sequence, and of the geometric mean of the sequences' ratios (median over frames of new / old); worse, better: "
        "the whole interval says so",
        soft_wrap=True,
    )
    other = [pair.new.name for pair in pairs if not pair.same_frames]
    if other:
        console.print(
            f"{len(other)} of {len(pairs)} sequences show other frames in the two revisions and are left out, since what "
            f"makes the frames differs between them: {'; '.join(other)}",
            style="yellow",
            soft_wrap=True,
        )
    counts = {pair.new.source for pair in pairs if pair.old.count != pair.new.count}
    if counts:
        console.print(
            f"of {', '.join(sorted(counts))} the revisions have other numbers of sequences; those that one of them "
            "lacks are left out",
            style="yellow",
            soft_wrap=True,
        )
    console.print(
        f"{cpu_model()}, {os.cpu_count()} cores, load before {load_before:.2f}, after {os.getloadavg()[0]:.2f}",
        soft_wrap=True,
    )
    if load_before > IDLE_LOAD:
        console.print(
            f"the load before was above {IDLE_LOAD}: something else ran, and times are those of a busy machine",
            style="yellow",
            soft_wrap=True,
        )


def comparison_tables(lines: dict[GroupKey, Comparison]) -> Iterator[Table]:
    """How right both sides are, and how they recover and how long they take: a line for every line of the comparison."""
    yield _table("accuracy, old → new (difference)", lines, ACCURACY, times=False)
    yield _table("recoveries and times, old → new (difference)", lines, RECOVERIES, times=True)


def _table(title: str, lines: dict[GroupKey, Comparison], measures: Sequence[Measure], times: bool) -> Table:
    table = Table(title=title)
    for name in ("set", "group", "object"):
        table.add_column(name)
    for heading in ("sequences", *(measure.heading for measure in measures)):
        table.add_column(heading, justify="right")
    for heading in ("ms a frame", "ratio of times", "longest ms") if times else ():
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for key, line in lines.items():
        cells = [_cell(line.differences[measure.field], measure) for measure in measures]
        verdicts = {
            measure.heading: line.differences[measure.field].verdict(measure.higher_is_better) for measure in measures
        }
        if times:
            cells += _time_cells(line)
            verdicts["time"] = line.time.verdict
        style = "bold" if key.object_name == ALL else None
        table.add_row(*key, str(line.sequences), *cells, _verdicts(verdicts), style=style)
    return table


def _verdicts(verdicts: dict[str, str]) -> str:
    """``worse: this, that; better: something``."""
    named = {word: [name for name, verdict in verdicts.items() if verdict == word] for word in ("worse", "better")}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in named.items() if names)


def _cell(difference: Difference, measure: Measure) -> str:
    if not difference.pairs:
        return NOT_KNOWN
    old, new, mean, half = (measure.factor * value for value in difference[1:])
    digits = measure.decimals
    spread = "" if math.isnan(half) else f"±{half:.{digits}f}"
    return f"{old:.{digits}f}→{new:.{digits}f} ({mean:+.{digits}f}{spread})"


def _time_cells(line: Comparison) -> list[str]:
    time = line.time
    spread = "" if math.isnan(time.low) else f" [{time.low:.3f}, {time.high:.3f}]"
    return [
        f"{time.old_ms:.1f}→{time.new_ms:.1f}",
        f"{time.ratio:.3f}{spread}",
        f"{time.old_longest_ms:.0f}→{time.new_longest_ms:.0f}",
    ]


def cpu_model() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def main() -> None:
    """The program."""
    app = typer.Typer(add_completion=False)
    app.command()(compare_revision)
    app(prog_name="scripts/compare_revision")


if __name__ == "__main__":
    main()
