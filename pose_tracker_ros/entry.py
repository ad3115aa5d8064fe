"""Entry point of ``pose-tracker``, which Ctrl-C ends without a traceback while it starts, too."""

import signal

# While modules are imported there is nothing to clean up, and a KeyboardInterrupt in the middle would be told as a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """The command; from here on it tidies up after Ctrl-C."""
    from pose_tracker_ros.cli import main as command

    signal.signal(signal.SIGINT, signal.default_int_handler)
    command()
