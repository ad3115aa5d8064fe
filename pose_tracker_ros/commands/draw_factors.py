"""``python -m pose_tracker_ros.commands.draw_factors``: the picture of one frame's factors in docs/how_it_works.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.evaluation.factor_pictures import factor_figure, seen_factors
from pose_tracker_ros.evaluation.frozen_sets import frozen_cases
from pose_tracker_ros.evaluation.plots import save_figures


def draw(
    output: Annotated[Path, typer.Option(help="Folder for factors.png.")] = Path("docs"),
    scene: Annotated[str, typer.Option(help="A frozen set.")] = "hands",
    object_name: Annotated[str, typer.Option("--object", help="An object of the benchmark.")] = "demo_jug",
    seed: Annotated[int, typer.Option(help="Of the set.", min=0)] = 0,
    frame: Annotated[int, typer.Option(help="Position of the frame to draw.", min=0)] = 66,
    before: Annotated[int, typer.Option(help="So many frames before it are followed, too.", min=0)] = 8,
) -> None:
    """Follow an object of a frozen set for some frames and draw what each factor sees in the last."""
    with reported_errors():
        case = frozen_cases(scene, [seed], [object_name])[0]
        sequence = case.open()
        if frame >= len(sequence):
            raise ValueError(f"expected a frame below {len(sequence)}, got {frame}; the sequence has no more")
        frames = [sequence.read(position) for position in range(max(frame - before, 0), frame + 1)]
        figure = factor_figure(seen_factors(frames, case.model, frames[0].truth[object_name]))
        check_writable(output)
        save_figures({"factors": figure}, output)


def main() -> None:
    """The program."""
    typer.run(draw)


if __name__ == "__main__":
    main()
