"""``python -m pose_tracker_ros``: the ``pose-tracker`` command, also for ``torchrun -m``."""

from pose_tracker_ros.entry import main

# Processes that render pairs import this module, too.
if __name__ == "__main__":
    main()
