"""Renderers of a known object: one protocol, several machines to run on."""

from pose_tracker_ros.rendering.protocol import Renderer, Rendering, create_renderer

__all__ = ["Renderer", "Rendering", "create_renderer"]
