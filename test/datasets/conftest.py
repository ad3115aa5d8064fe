from datasets_fixtures import bop_scene, eoat_video, ycb_video

__all__ = ["bop_scene", "eoat_video", "ycb_video"]
