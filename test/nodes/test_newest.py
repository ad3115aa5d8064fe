"""The newest item wins and what it overtakes is counted."""

import threading

from pose_tracker_ros.nodes.newest import NewestFirstWorker


def test_overtaken_items_are_dropped_and_counted():
    done, begun, go_on = [], threading.Event(), threading.Event()

    def work(item):
        begun.set()
        go_on.wait(5)
        done.append(item)

    worker = NewestFirstWorker(work, "test")
    worker.put(0)
    assert begun.wait(5)
    for item in (1, 2, 3):
        worker.put(item)
    go_on.set()
    while len(done) < 2:
        pass
    worker.stop()
    assert done == [0, 3]
    assert worker.dropped == 2
