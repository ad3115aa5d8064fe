"""A node's callbacks run until they are stopped, by whichever executor this rclpy has."""

import sys
import threading

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from pose_tracker_ros.nodes.spinning import Spinner, make_executor


@pytest.fixture(params=["that of events", "the usual one"])
def executor(request, monkeypatch):
    if request.param == "the usual one":
        monkeypatch.setitem(sys.modules, "rclpy.experimental.events_executor", None)
    return request.param


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context)
    made = Node("spun", context=context)
    yield made
    made.destroy_node()
    rclpy.try_shutdown(context=context)


def test_callbacks_run_in_one_thread_until_it_is_stopped(executor, node):
    threads, enough = set(), threading.Event()

    def tick():
        threads.add(threading.current_thread().name)
        ticks.append(1)
        if len(ticks) == 3:
            enough.set()

    ticks = []
    node.create_timer(0.01, tick)
    spinner = Spinner(node, node.context)
    thread = threading.Thread(target=spinner.spin, name="spinning", daemon=True)
    thread.start()
    assert enough.wait(5)
    spinner.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert threads == {"spinning"}


def test_it_ends_with_ros(executor, node):
    spinner = Spinner(node, node.context)
    thread = threading.Thread(target=spinner.spin, daemon=True)
    thread.start()
    rclpy.shutdown(context=node.context)
    thread.join(5)
    assert not thread.is_alive()
    spinner.stop()


def test_exceptions_of_callbacks_pass(executor, node):
    def fail():
        raise ZeroDivisionError

    node.create_timer(0.01, fail)
    spinner = Spinner(node, node.context)
    with pytest.raises(ZeroDivisionError):
        spinner.spin()
    spinner.stop()


def test_without_that_of_events_there_is_the_usual_one(monkeypatch, node):
    monkeypatch.setitem(sys.modules, "rclpy.experimental.events_executor", None)
    assert isinstance(make_executor(node.context), SingleThreadedExecutor)
