"""Mapping documents: data that says how a stream's rows and an entity's records correspond.

Pure: no store, no network, no clock.
"""

from hub.mapping.check import check
from hub.mapping.compiler import Candidate, Rule, compile
from hub.mapping.compiler import FieldMapping as Mapping
from hub.mapping.diff import diff, needs_rebase
from hub.mapping.document import export, load
from hub.mapping.formula import Formula, compile_formula
from hub.mapping.laws import check_laws
from hub.mapping.lens import Lens, register
from hub.mapping.paths import MISSING
from hub.mapping.pins import Pin, make_pin, pins_path, read_pins, run_pins, write_pins
from hub.mapping.problems import DocumentError, LensError, RowError
from hub.mapping.shapes import Ref
from hub.mapping.spec import Document
from hub.mapping.suggest import Suggestion, draft, suggest

__all__ = [
    "MISSING",
    "Candidate",
    "Document",
    "DocumentError",
    "Formula",
    "Lens",
    "LensError",
    "Mapping",
    "Pin",
    "Ref",
    "RowError",
    "Rule",
    "Suggestion",
    "check",
    "check_laws",
    "compile",
    "compile_formula",
    "diff",
    "draft",
    "export",
    "load",
    "make_pin",
    "needs_rebase",
    "pins_path",
    "read_pins",
    "register",
    "run_pins",
    "suggest",
    "write_pins",
]
