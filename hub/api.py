"""All that a module may import: declarations, entities, errors, and the hub it works with.

The bundled modules use nothing else of the core, so a third party can build whatever they can.
"""

from marshmallow import fields, validate

from hub.connector import Choice, Flag, Number, Secret, Settings, Text, Url
from hub.context import Hub
from hub.declare import (
    Action,
    Change,
    Declaration,
    Extension,
    Job,
    NoParams,
    Params,
    Record,
    Report,
    Rule,
)
from hub.entity import MONEY, PRICE, QUANTITY, RATIO, Entity, Field
from hub.errors import ConfigError, HubError, NotFoundError, Problem
from hub.hookspecs import hookimpl
from hub.sync.edit import ChangedError, Changes, RefusedError

__all__ = [
    "MONEY",
    "PRICE",
    "QUANTITY",
    "RATIO",
    "Action",
    "Change",
    "ChangedError",
    "Changes",
    "Choice",
    "ConfigError",
    "Declaration",
    "Entity",
    "Extension",
    "Field",
    "Flag",
    "Hub",
    "HubError",
    "Job",
    "NoParams",
    "NotFoundError",
    "Number",
    "Params",
    "Problem",
    "Record",
    "RefusedError",
    "Report",
    "Rule",
    "Secret",
    "Settings",
    "Text",
    "Url",
    "fields",
    "hookimpl",
    "validate",
]
