"""Imported as `hub.plugins`; see `hub/__init__.py`."""

if __name__ != "hub.plugins":
    raise ImportError(
        f"this package is hub.plugins, imported as {__name__}; import hub.plugins instead"
    )
