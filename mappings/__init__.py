"""Data only: read through `importlib.resources.files("hub.mappings")`."""
