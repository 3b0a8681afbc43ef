"""The integration hub: one canonical model, connectors that sync it both ways, modules on top.

The folders beside this package are imported *through* it: `connectors/sql` is
`hub.connectors.sql`, in a checkout, an editable install and a wheel alike.
"""

from pathlib import Path

__version__ = "0.1.0"

_ROOT = Path(__file__).resolve().parent.parent
if (_ROOT / "hub.py").is_file() and (_ROOT / "pyproject.toml").is_file():  # a checkout
    __path__.append(str(_ROOT))
