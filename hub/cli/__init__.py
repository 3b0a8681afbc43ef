"""The commands.  They speak to `hub.context.Hub` alone, and never to the database."""

from hub.cli.app import main

__all__ = ["main"]
