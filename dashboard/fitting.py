"""Whether a job's data fits what is known of it: the type that its processor declares, or the JSON Schema that the
settings name. And that knowledge as fields of a form.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from typing import Any

import jsonschema
import msgspec

from dashboard.presentation import data_schema
from queues.processors import registry
from queues.protocol.codec import raw

MOST_FIELDS, MOST_MISTAKES = 40, 8
_KINDS = {"string": "text", "integer": "number", "number": "number", "boolean": "flag"}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of the data. `kind`: text, number, flag, choice, or json for what is no single value. `given` is its
    JSON text; empty where it is absent.
    """

    name: str
    label: str
    kind: str
    is_required: bool
    help: str = ""
    choices: tuple[str, ...] = ()
    given: str = ""

    @property
    def value(self) -> str:
        """As the form's control shows it: text without its quotes."""
        if self.kind in ("text", "choice") and self.given.startswith('"'):
            return str(json.loads(self.given))
        return self.given


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the data of a queue's jobs of this name; `source` says by whom."""

    schema: Mapping[str, Any]
    source: str


def known(queue: str, name: str) -> Known | None:
    """The settings' schema, else the type of the processor that takes jobs of this name; None for neither."""
    told = data_schema(queue)
    if told:
        return Known(told, "the settings")
    processors = registry.of(queue)
    processor = processors.get(name) or processors.get(None)
    if processor is None or processor.model is None:
        return None
    schema = _schema_of(processor.model)
    return Known(schema, f"{processor.model.__name__} of {processor.path}") if schema else None


@lru_cache(maxsize=256)
def _schema_of(model: type) -> Mapping[str, Any] | None:
    try:
        if is_dataclass(model):
            return msgspec.json.schema(model)
        # Whoever declared a pydantic model has imported it.
        found: Mapping[str, Any] = sys.modules["pydantic"].TypeAdapter(model).json_schema()
        return found
    except (TypeError, KeyError, ValueError):
        return None


def mistakes(queue: str, name: str, data: str) -> list[str]:
    """What does not fit, each with its place; empty where all does, or nothing is known. `data` is JSON."""
    found = _of_schema(data_schema(queue), data)
    processors = registry.of(queue)
    processor = processors.get(name) or processors.get(None)
    if processor is not None and processor.read is not None:
        try:
            processor.read(raw(data))
        except ValueError as error:
            found.append(str(error))
    return found[:MOST_MISTAKES]


def _of_schema(schema: Mapping[str, Any] | None, data: str) -> list[str]:
    if not schema:
        return []
    try:
        validator = jsonschema.validators.validator_for(schema)(schema)
        errors = sorted(validator.iter_errors(json.loads(data)), key=lambda error: [str(part) for part in error.path])
        return [_told(error) for error in errors[:MOST_MISTAKES]]
    except (jsonschema.SchemaError, RecursionError, ValueError) as error:
        return [f"The schema of the settings cannot be used: {str(error).partition(chr(10))[0]}"]
    except Exception as error:  # A reference that leads nowhere, a pattern that is none: libraries differ.
        return [f"The schema of the settings cannot be used: {type(error).__name__}"]


def _told(error: jsonschema.ValidationError) -> str:
    place = ".".join(str(part) for part in error.absolute_path)
    words = error.message if len(error.message) <= 200 else f"{error.message[:200]}…"
    return f"{place}: {words}" if place else words


# --- as a form


def fields(found: Known, members: Mapping[str, str]) -> list[Field]:
    """One per property of an object's schema, in its order, with what `members` (name → JSON text) hold; empty where
    the schema is of no plain object.
    """
    schema = _resolved(found.schema, found.schema)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or len(properties) > MOST_FIELDS:
        return []
    required = schema.get("required", ())
    made = []
    for name, about in properties.items():
        about = _resolved(about, found.schema) if isinstance(about, Mapping) else {}
        made.append(_field(str(name), about, name in required, members.get(name)))
    return made


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}} if found else schema


def _field(name: str, about: Mapping[str, Any], is_required: bool, given: str | None) -> Field:
    kind, choices = _kind(about)
    if given is None and "default" in about:
        given = json.dumps(about["default"], ensure_ascii=False)
    given = given or ""
    if given and kind != "json" and not _suits(kind, given, choices):
        # What stands there is something else than the type says: shown as it is.
        kind, choices = "json", ()
    label = str(about.get("title") or name)
    return Field(name, label, kind, is_required, str(about.get("description", ""))[:300], choices, given)


def _kind(about: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    enum = about.get("enum")
    if isinstance(enum, Sequence) and enum and all(isinstance(one, str) for one in enum):
        return "choice", tuple(enum)
    kind = about.get("type")
    return (_KINDS.get(kind, "json") if isinstance(kind, str) else "json"), ()


def _suits(kind: str, given: str, choices: tuple[str, ...]) -> bool:
    if kind == "flag":
        return given in ("true", "false")
    if kind == "number":
        return given[:1] in "-0123456789"
    return given.startswith('"') and (kind == "text" or json.loads(given) in choices)


def composed(given: Mapping[str, str], members: Mapping[str, str], asked: Sequence[Field]) -> str:
    """The data as JSON text: what the fields say over what is there; an optional field left empty goes."""
    made = dict(members)
    for field in asked:
        text = given.get(field.name, "").strip() if field.kind != "text" else given.get(field.name, "")
        if text == "" and (field.kind != "text" or not field.is_required):
            made.pop(field.name, None)
        elif field.kind in ("text", "choice"):
            unchanged = field.given.startswith('"') and json.loads(field.given) == text
            made[field.name] = field.given if unchanged else json.dumps(text, ensure_ascii=False)
        else:
            made[field.name] = text
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in made.items()) + "}"
