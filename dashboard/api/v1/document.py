"""The OpenAPI 3.1 document: Ninja's, with what holds of every operation said once here, so that no route can forget it.

Every answer is declared: what an operation answers, the problems it may lead to, tags, credentials, the connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from dashboard import links
from dashboard.api.v1.app import api
from dashboard.api.v1.declared import OF_BODIES, OF_WRITES, PROBLEMS, problem
from dashboard.api.v1.problems import Problem

PATH = "/api/v1"
_SCHEMES: Mapping[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of this site, or a JWT that it trusts (docs/credentials.md).",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same API key by itself."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "toril_session",
        "description": "A person who is signed in; what changes something needs `X-CSRFToken` too.",
    },
}
_CONNECTION: Mapping[str, Any] = {
    "in": "query",
    "name": "connection",
    "required": False,
    "description": "Which Redis, by its name in the settings.",
    "schema": {"type": "string", "default": links.DEFAULT_CONNECTION, "maxLength": 64},
}
_IF_NONE_MATCH: Mapping[str, Any] = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "The `ETag` of the answer at hand: 304 where it still holds.",
    "schema": {"type": "string"},
}


@lru_cache(maxsize=4)
def document(root: str) -> str:
    """As JSON; `root` is what the site's paths begin with."""
    told = api.get_openapi_schema(path_prefix="/")
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    made = {
        **told,
        "servers": [{"url": f"{root}{PATH}"}],
        "security": [{name: []} for name in _SCHEMES],
        "tags": [{"name": name} for name in _tags(told["paths"])],
    }
    made["components"] = {
        "schemas": {**told["components"]["schemas"], **_of_problems()},
        "securitySchemes": dict(_SCHEMES),
    }
    # Pydantic's name of a page of queues reads as no word.
    return re.sub(r"\bPage_(\w+?)_(?=\")", r"\1Page", json.dumps(made, ensure_ascii=False, separators=(",", ":")))


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    lines = operation.get("description", "").split("\n", 1)
    operation["summary"], operation["description"] = lines[0].strip(), (lines[1] if len(lines) > 1 else "").strip()
    operation["parameters"] = [*map(_told_once, operation["parameters"]), _CONNECTION]
    answers = {str(status): answer for status, answer in operation["responses"].items()}
    if method == "get":
        operation["parameters"].append(_IF_NONE_MATCH)
        answers["200"]["headers"] = {"ETag": {"description": "What it says, in short.", "schema": {"type": "string"}}}
        answers["304"] = {"description": "As it was: `If-None-Match` names what it says."}
    for status, when in _problems_of(method, operation):
        answers.setdefault(str(status), problem(when))
    operation["responses"] = dict(sorted(answers.items()))


def _told_once(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Absent is said by `required`: no word in an address is null. What describes a parameter stands beside it."""
    schema = dict(parameter["schema"])
    if "anyOf" in schema:
        (schema,) = (each for each in schema["anyOf"] if each != {"type": "null"})
    schema = {name: value for name, value in schema.items() if name not in ("title", "description")}
    return {**parameter, "schema": schema}


def _problems_of(method: str, operation: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    yield from PROBLEMS.items()
    if method != "get":
        yield from OF_WRITES.items()
    if "requestBody" in operation:
        yield from OF_BODIES.items()


def _of_problems() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    return {**schema.pop("$defs"), "Problem": schema}


def _tags(paths: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = (tag for operations in paths.values() for operation in operations.values() for tag in operation["tags"])
    return list(dict.fromkeys(found))
