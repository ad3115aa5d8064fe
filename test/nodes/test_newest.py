"""The newest item wins and what it overtakes is counted."""

import os
import sys
import threading

import pytest

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
    assert [worker.put(item) for item in (1, 2, 3)] == [None, 1, 2]
    go_on.set()
    while len(done) < 2:
        pass
    worker.stop()
    assert done == [0, 3]
    assert worker.dropped == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has threads of different priority")
def test_a_patient_worker_goes_after_others_alone():
    priorities, done = [], threading.Event()

    def work(_):
        priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
        done.set()

    own = os.getpriority(os.PRIO_PROCESS, 0)
    worker = NewestFirstWorker(work, "test", niceness=3)
    worker.put(0)
    assert done.wait(5)
    worker.stop()
    assert priorities == [min(own + 3, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
