"""Sources of evidence about one object's motion: what each brings to :func:`pose_tracker_ros.kernels.alignment.solve`.

A factor is a tuple of arrays in the order of that kernel's arguments; the state is described there.
"""
