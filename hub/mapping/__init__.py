"""Mapping documents: data that says how a stream's rows and an entity's records correspond.

Pure: no store, no network, no clock.
"""

from hub.mapping.compiler import Candidate, Ref, Rule, compile
from hub.mapping.compiler import FieldMapping as Mapping
from hub.mapping.document import Document, export, load
from hub.mapping.paths import MISSING

__all__ = [
    "MISSING",
    "Candidate",
    "Document",
    "Mapping",
    "Ref",
    "Rule",
    "compile",
    "export",
    "load",
]
