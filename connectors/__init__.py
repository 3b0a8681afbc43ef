"""Imported as `hub.connectors`; see `hub/__init__.py`."""

if __name__ != "hub.connectors":
    raise ImportError(
        f"this package is hub.connectors, imported as {__name__}; import hub.connectors instead"
    )
