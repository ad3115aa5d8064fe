"""Scenes whose truth is known: rendered, with boards, hands, cameras and sensors as typed options."""
