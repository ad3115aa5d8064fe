"""Kernels are all compiled at once, and only once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
from pose_tracker_ros.kernels.warm_up import compile_kernels
names = []
print(compile_kernels(names.append), *names)
from pose_tracker_ros.kernels import raster
print(len(raster.rasterize.signatures))
"""


@pytest.mark.timeout(660)
def test_what_is_not_in_the_cache_is_compiled(tmp_path):
    environment = {**os.environ, "POSE_TRACKER_KERNEL_CACHE": str(tmp_path)}
    printed = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            # All kernels take 50 s on an idle machine, and above 120 where other programs have most of it.
            timeout=300,
        )
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout.splitlines())
    cold, warm = printed
    count, *names = cold[0].split()
    assert int(count) == len(set(names)) and {"project", "rasterize", "resolve"} <= set(names)
    assert warm == ["0", "1"]
