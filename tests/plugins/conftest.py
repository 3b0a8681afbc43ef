"""The fixtures that authors of modules use too."""

from hub.testing.modules import clock, open_hub

__all__ = ["clock", "open_hub"]
