"""RGB-D 6D object pose tracking for ROS 2: render, compare, correct."""

__version__ = "0.1.0"
