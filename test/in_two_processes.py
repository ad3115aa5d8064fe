"""Runs all tests in two processes side by side, for machines with two cores. Arguments go to both."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

# About half of the time. All that talks over DDS is in the other half, so that no nodes meet that should not.
FIRST_HALF = (
    "test/evaluation",
    "test/networks",
    "test/training",
    "test/datasets",
    "test/mesh_files",
    "test/relocalization",
    "test/tracking",
)


def main(arguments: list[str]) -> int:
    """The exit status of the half that failed, 0 when none did; the output of the second half follows the first's."""
    pytest = [sys.executable, "-m", "pytest", "-p", "timeout", "-p", "hypothesispytest", *arguments]
    # With more threads each would wait for the other's.
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    with tempfile.TemporaryFile() as output:
        second = subprocess.Popen(
            [*pytest, *(f"--ignore={folder}" for folder in FIRST_HALF)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        first = subprocess.run([*pytest, *FIRST_HALF], env=environment)
        second.wait()
        output.seek(0)
        sys.stdout.buffer.write(output.read())
    return first.returncode or second.returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        # Both halves heard it, too.
        sys.exit(130)
