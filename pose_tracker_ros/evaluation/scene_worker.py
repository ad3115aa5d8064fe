"""Sequences of frozen sets on request, for a program that compares revisions of the tracker side by side.

``python -m pose_tracker_ros.evaluation.scene_worker`` reads a JSON object a line from standard input::

    {"scene": "boards", "object": "drill", "seed": 3, "short": false, "options": {"polish_iterations": 4}, "weights": null}

and answers each with one line for every sequence of that set, object and seed, :meth:`SceneRun.to_dict` with ``number``
and ``count`` of the sequences, or with one line ``{"error": "..."}``. ``scene`` and ``object`` must be given, ``seed`` is 0,
``short`` false, ``options`` (of the tracker) none and ``weights`` (a file) the default ones otherwise. Nothing else comes
on standard output. It ends with the input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.evaluation.frozen_sets import frozen_cases
from pose_tracker_ros.evaluation.scene_benchmark import run_scene
from pose_tracker_ros.evaluation.tracking_benchmark import Variant
from pose_tracker_ros.tracking import TrackerConfig

REQUIRED = ("scene", "object")
OPTIONAL = {"seed": 0, "short": False, "options": {}, "weights": None}
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
    missing = [name for name in REQUIRED if name not in request]
    unknown = [name for name in request if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        known = ", ".join((*REQUIRED, *OPTIONAL))
        raise ValueError(
            f"expected {' and '.join(REQUIRED)}, of the entries {known}, got {', '.join(request) or 'none'}"
        )
    return {**OPTIONAL, **request}


def run_request(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers to a request; raises ValueError for an unknown set, object or option."""
    config = make_config(TrackerConfig, request["options"])
    variant = Variant(VARIANT, config, request["weights"] and Path(request["weights"]))
    cases = frozen_cases(request["scene"], [request["seed"]], [request["object"]], request["short"])
    for number, case in enumerate(cases):
        (run,) = run_scene(case, [variant])
        yield {**run.to_dict(), "number": number, "count": len(cases)}


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
