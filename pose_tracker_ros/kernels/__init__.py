"""Compiled functions: arrays in, arrays out, no Python objects and no ROS.

Kernels that call each other stand in one file, because numba does not notice edits in other files. Each must equal
a twin, in plain NumPy in ``test/kernels/``, or what networks are trained with, in torch. Importing a file of kernels compiles them, or loads them from the cache
(:mod:`pose_tracker_ros.kernels.cache`); nothing is compiled later.
"""
