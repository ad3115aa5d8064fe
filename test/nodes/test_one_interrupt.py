import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, time
from pose_tracker_ros.nodes.one_interrupt import OneInterrupt
interrupt = OneInterrupt()
def send():
    os.kill(os.getpid(), signal.SIGINT)
"""
TWICE = """
try:
    send()
    time.sleep(20)
except KeyboardInterrupt:
    # As launch does after a terminal.
    send()
    send()
finally:
    interrupt.end()
    send()
    print("tidied up")
"""
IN_A_FINALISER = """
class Finalised:
    def __del__(self):
        send()
        sum(range(1000))
try:
    Finalised()
    time.sleep(20)
except KeyboardInterrupt:
    print("tidied up")
"""
IN_A_CALLBACK = """
import ctypes
def compare(one, other):
    send()
    return 0
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
try:
    ctypes.CDLL(None).qsort(ctypes.create_string_buffer(2), 2, 1, kind(compare))
    time.sleep(20)
except KeyboardInterrupt:
    print("tidied up")
"""
OF_ANOTHER_KIND = """
class Finalised:
    def __del__(self):
        raise ValueError("a fault")
Finalised()
print("tidied up")
"""


@pytest.mark.parametrize("program", [TWICE, IN_A_FINALISER, IN_A_CALLBACK])
def test_it_comes_once_wherever_it_comes_and_nothing_is_said(program):
    done = subprocess.run([sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, "tidied up\n", "")


def test_other_faults_are_told_as_ever():
    done = subprocess.run([sys.executable, "-c", BEGIN + OF_ANOTHER_KIND], capture_output=True, text=True, timeout=15)
    assert done.stdout == "tidied up\n" and "ValueError: a fault" in done.stderr
