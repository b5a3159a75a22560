"""Cameras before a scene: light in time to events (`event_camera`) and to frames (`rgb_camera`); any `video` before them."""
