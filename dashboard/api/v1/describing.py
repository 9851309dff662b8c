"""The document of this API: `openapi.json` for programs, and for people a page on which each request can be tried."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard import links
from dashboard.api.methods import takes
from dashboard.api.v1.document import PATH, document
from dashboard.api.v1.etags import stamped
from dashboard.drawing import render
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.request import Request

#: So deep an example goes: what lies deeper is told by the document.
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Parameter:
    """`words` are what it may be, where it is one of few."""

    name: str
    where: str
    is_required: bool
    description: str
    kind: str
    default: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One request, as the page draws it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: Sequence[Parameter]
    body: str
    answers: Sequence[tuple[str, str]]

    @property
    def is_long(self) -> bool:
        return bool(self.parameters or self.body)


@takes("GET")
async def openapi_json(request: Request) -> HttpResponse:
    """The OpenAPI 3.1 document."""
    return stamped(request, HttpResponse(document(links.site_root()), content_type="application/json"))


@require_safe
async def docs_page(request: Request) -> HttpResponse:
    """Every operation, and a form that sends it with the visitor's own rights."""
    around = await around_of(request, known_connection(request))
    told = json.loads(document(links.site_root()))
    context = {
        "section": "api",
        "groups": list(_groups(told)),
        "address": f"{links.site_root()}{PATH}",
        "described_at": f"{links.site_root()}{PATH}/openapi.json",
    }
    return render(request, "api/docs.html", frame(around, **context))


def _groups(told: Mapping[str, Any]) -> Iterator[tuple[str, list[Operation]]]:
    found: dict[str, list[Operation]] = {}
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            drawn = _operation(path, method, operation, told["components"]["schemas"])
            found.setdefault(operation["tags"][0], []).append(drawn)
    yield from found.items()


def _operation(path: str, method: str, told: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Operation(
        told["operationId"],
        method.upper(),
        path,
        told["summary"],
        _plain(told["description"]),
        [_parameter(each) for each in told["parameters"] if each["name"] != "If-None-Match"],
        json.dumps(example(body, schemas), indent=2, ensure_ascii=False) if body else "",
        [(status, _plain(answer["description"])) for status, answer in told["responses"].items()],
    )


def _parameter(told: Mapping[str, Any]) -> Parameter:
    schema = told["schema"]
    default = schema.get("default", "")
    return Parameter(
        told["name"], told["in"], told["required"], _plain(told.get("description", "")), schema.get("type", "string"),
        "" if default is None else str(default), schema.get("enum", ()),
    )  # fmt: skip


def _plain(text: str) -> str:
    """Without the marks that a document's own readers draw."""
    return text.replace("`", "")


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits: what a schema gives as its own example or default, else the plainest."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth)
    for name in ("allOf", "anyOf", "oneOf"):
        if name in schema:
            return example(schema[name][0], schemas, depth)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" and depth < DEEPEST:
        return {
            name: example(each, schemas, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if name in schema.get("required", ()) or "examples" in each
        }
    if schema.get("type") == "array":
        return [example(schema["items"], schemas, depth + 1)] if schema.get("minItems") else []
    return schema.get("default", {"string": "…", "integer": schema.get("minimum", 1), "boolean": False}.get(
        schema.get("type", ""), {}
    ))  # fmt: skip
