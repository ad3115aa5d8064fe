"""Mesh files: what they say, exactly, or a sentence about what they lack."""

from pose_tracker_ros.mesh_files.glb_writer import write_glb
from pose_tracker_ros.mesh_files.joining import joined
from pose_tracker_ros.mesh_files.open import read_surface
from pose_tracker_ros.mesh_files.surface import Part, Surface

__all__ = ["Part", "Surface", "joined", "read_surface", "write_glb"]
