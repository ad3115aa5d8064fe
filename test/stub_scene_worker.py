"""Answers as a scene worker does, without running anything: arguments are the package's path and a checksum."""

import json
import sys

PACKAGE, CHECKSUM = sys.argv[1:]
COUNTS = ("lost", "tracking_frames", "false_tracking_frames", "due_frames", "false_lost_frames")
COUNTS += ("frames", "seen_frames", "events", "recovered_15", "recovered_30")
FIGURES = ("false_tracking", "false_lost", "add_auc", "add_median", "latency_median_ms", "latency_max_ms")
SUMMARY = dict.fromkeys((*COUNTS, *FIGURES), 1.0)
RUN = {"name": "boards, jug", "scene": "boards", "group": "", "object": "jug", "seed": 0, "number": 0, "count": 1}
RUN |= {"checksum": CHECKSUM, "load": 0.5, "ms": [1.0], "summary": SUMMARY}


def answer_to(request):
    if "ask" in request:
        return {"package": PACKAGE} if PACKAGE else {"error": "expected scene and object, got ask"}
    if request["scene"] == "fog":
        return {"error": "no set of the name fog"}
    if request["scene"] == "die":
        sys.exit("no memory left")
    return RUN


for line in sys.stdin:
    print(json.dumps(answer_to(json.loads(line))), flush=True)
