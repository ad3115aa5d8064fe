"""Which frames of a demo were not processed, and why."""

from pose_tracker_ros.commands.missed_frames import NOT_RECEIVED, Meanwhile, Missed, missed_frames
from pose_tracker_ros.nodes.overtaken_frames import OvertakenFrames


def test_runs_of_frames_have_their_reason_and_what_went_on():
    published = [1000 + 33 * number for number in range(12)]
    overtaken = OvertakenFrames()
    for number in (3, 4):
        overtaken.add(published[number])
    overtaken.explain({"conversion": 0.001, "step": 0.0712, "publishing": 0.002})
    overtaken.add(published[9])
    overtaken.explain({"conversion": 0.041, "step": 0.004, "publishing": 0.002})
    # Frame 7 never came; 11 waits for its reason.
    overtaken.add(published[11])
    processed = {published[number] for number in (0, 1, 2, 5, 6, 8, 10, 11)}
    missed = missed_frames(published, processed, overtaken.all(), [Meanwhile("carton is added", 4, 8)])
    slow = "step of the frame before took 71 ms"
    assert missed == [
        Missed(3, 3, slow, ""),
        Missed(4, 4, slow, "carton is added"),
        Missed(7, 7, NOT_RECEIVED, "carton is added"),
        Missed(9, 9, "conversion of the frame before took 41 ms", ""),
    ]


def test_frames_in_a_row_are_one_run():
    overtaken = OvertakenFrames()
    for stamp in (2, 3, 5):
        overtaken.add(stamp)
    overtaken.explain({"step": 0.2})
    missed = missed_frames(range(8), {0, 1, 4, 6, 7}, overtaken.all(), [])
    assert [(one.first, one.last) for one in missed] == [(2, 3), (5, 5)]
