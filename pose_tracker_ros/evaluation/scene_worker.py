"""Sequences on request, for a program that compares revisions of the tracker side by side.

``python -m pose_tracker_ros.evaluation.scene_worker`` reads a JSON object a line from standard input, for a frozen set

    {"scene": "boards", "object": "drill", "seed": 3, "short": false, "options": {"contour": false}, "weights": null}

or for a real sequence

    {"sequence": "DATA/mustard0", "reader": ["models_folder=DATA/models"], "object": null}

and answers each with one line for every sequence of that set, object and seed (for every object, or the named one, and
start of the real one), :meth:`SceneRun.to_dict` with ``number`` and ``count`` of the sequences, or with one line
``{"error": "..."}``. ``seed`` is 0, ``short`` (of sets) false, ``options`` (of the tracker) none and ``weights`` (a file) the
default ones, where not given; with ``"number": 1`` only that of the sequences is run. ``{"ask": "package"}`` is answered with
``{"package": "..."}``, the folder of the code that answers. Nothing else comes on standard output. It ends with the input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pose_tracker_ros
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.evaluation.frozen_sets import SceneCase, frozen_cases
from pose_tracker_ros.evaluation.real_cases import RealCase, RealCases
from pose_tracker_ros.evaluation.scene_benchmark import run_scene
from pose_tracker_ros.evaluation.tracking_benchmark import Variant
from pose_tracker_ros.tracking import TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

OPTIONAL = {"seed": 0, "options": {}, "weights": None, "number": None}
# What a request must have, and what it may have then.
KINDS = (
    (("scene", "object"), {**OPTIONAL, "short": False}),
    (("sequence",), {**OPTIONAL, "object": None, "reader": []}),
    (("ask",), {}),
)
VARIANT = "ours"


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests, a line each, until they end."""
    for line in requests:
        if not line.strip():
            continue
        try:
            for answer in run_request(parse_request(line)):
                _write(answers, answer)
        except Exception as error:
            # Whatever went wrong with one request, the next one may go well.
            _write(answers, {"error": str(error) or type(error).__name__})


def parse_request(line: str) -> dict[str, Any]:
    """The entries of a request, defaults filled in; raises ValueError for what is none."""
    try:
        request = json.loads(line)
    except ValueError as error:
        raise ValueError(f"expected a JSON object a line, got {line.strip()!r}: {error}") from error
    if not isinstance(request, dict):
        raise ValueError(f"expected a JSON object a line, got {line.strip()!r}")
    for required, optional in KINDS:
        if all(name in request for name in required) and all(name in (*required, *optional) for name in request):
            return {**optional, **request}
    kinds = "; or ".join(
        f"{' and '.join(required)}" + (f", and perhaps {', '.join(optional)}" if optional else "")
        for required, optional in KINDS
    )
    raise ValueError(f"expected a request with {kinds}; got {', '.join(request) or 'none'}")


def run_request(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers to a request; raises ValueError for an unknown set, object, option or number, or what can't be read."""
    if "ask" in request:
        if request["ask"] != "package":
            raise ValueError(f"expected to be asked for the package, got {request['ask']!r}")
        yield {"package": str(Path(pose_tracker_ros.__file__).resolve().parent)}
        return
    config = make_config(TrackerConfig, {**OFFLINE, **request["options"]})
    variant = Variant(VARIANT, config, request["weights"] and Path(request["weights"]))
    cases = _cases(request)
    chosen = range(len(cases)) if request["number"] is None else (request["number"],)
    for number in chosen:
        if number not in range(len(cases)):
            raise ValueError(f"expected the number of a sequence below {len(cases)}, got {number!r}")
        (run,) = run_scene(cases[number], [variant])
        yield {**run.to_dict(), "number": number, "count": len(cases)}


def _cases(request: dict[str, Any]) -> Sequence[SceneCase | RealCase]:
    if "scene" in request:
        return frozen_cases(request["scene"], [request["seed"]], [request["object"]], request["short"])
    return RealCases.open(request["sequence"], request["reader"], request["object"], request["seed"])


def _write(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, allow_nan=False) + "\n")
    answers.flush()


def main() -> None:
    """Serve standard input on standard output, which nothing else may write to, C libraries included."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
