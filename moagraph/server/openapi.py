"""The server's own OpenAPI document: the requests as they are checked, the answers as they are."""

from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from moagraph.nodes.state import Json
from moagraph.server.chat.request import ChatRequest
from moagraph.server.responses.request import ResponseRequest

AT = "#/components/schemas/"
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
REFUSALS = {
    400: "The request is wrong; `param` names the field.",
    401: "A key of this server is needed.",
    403: "Without keys only this machine may ask.",
    404: "There is no such model.",
    408: "The body did not come.",
    409: "The thread is busy with another request.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many requests run and wait; `Retry-After` says when to come again.",
    500: "The server had an error.",
    502: "The models failed.",
    503: "The models or the server cannot answer now.",
    504: "The models took too long.",
}


def document() -> Json:
    """The document."""
    _, defined = models_json_schema(
        [(ChatRequest, "validation"), (ResponseRequest, "validation")],
        ref_template=AT + "{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "moagraph", "version": version("moagraph")},
        "paths": {
            "/v1/models": {"get": _operation("List the recipes as models.", "Models")},
            "/v1/models/{id}": {"get": _operation("One model.", "Model", _id())},
            "/v1/chat/completions": {"post": _chat()},
            "/v1/responses": {"post": _responses()},
            "/healthz": {"get": {"summary": "Whether it runs.", "responses": {"200": _ok(TRUTH)}}},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**defined["$defs"], **ANSWERS},
        },
    }


def _object(**properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties]}


TRUTH = _object(status={"const": "ok"})
ANSWERS = {
    "Error": _object(
        error=_object(
            message=TEXT,
            type=TEXT,
            param={"type": ["string", "null"]},
            code={"type": ["string", "null"]},
        )
    ),
    "Model": _object(
        id=TEXT, object={"const": "model"}, created={"type": "integer"}, owned_by=TEXT
    ),
    "Models": _object(
        object={"const": "list"}, data={"type": "array", "items": {"$ref": AT + "Model"}}
    ),
    "Usage": _object(prompt_tokens=COUNT, completion_tokens=COUNT, total_tokens=COUNT),
    "Choice": _object(
        index={"const": 0},
        finish_reason={"enum": ["stop", "length", "tool_calls", "content_filter"]},
        message=_object(role={"const": "assistant"}, content={"type": ["string", "null"]}),
    ),
    "Completion": _object(
        id=TEXT,
        object={"const": "chat.completion"},
        created={"type": "integer"},
        model=TEXT,
        usage={"$ref": AT + "Usage"},
        choices={"type": "array", "items": {"$ref": AT + "Choice"}, "minItems": 1, "maxItems": 1},
    ),
    "Response": _object(
        id=TEXT,
        object={"const": "response"},
        created_at={"type": "integer"},
        status={"enum": ["completed", "incomplete"]},
        model=TEXT,
        output={"type": "array", "items": {"type": "object"}, "minItems": 1},
    ),
}


def _chat() -> Json:
    summary = "One answer by the recipe's models, streaming or not."
    return _answering(summary, "ChatRequest", "Completion", "Chunks as OpenAI streams them.")


def _responses() -> Json:
    summary = "The same in OpenAI's newer form; nothing is stored but a named thread."
    return _answering(summary, "ResponseRequest", "Response", "Events as OpenAI streams them.")


def _answering(summary: str, asked: str, answer: str, streamed: str) -> Json:
    said = _operation(summary, answer)
    body = {"application/json": {"schema": {"$ref": AT + asked}}}
    said["requestBody"] = {"required": True, "content": body}
    events = {"schema": {**TEXT, "description": streamed}}
    said["responses"]["200"]["content"]["text/event-stream"] = events
    return said


def _operation(summary: str, answer: str, parameters: tuple[Json, ...] = ()) -> Json:
    refused = {
        str(status): {**_ok({"$ref": AT + "Error"}), "description": why}
        for status, why in REFUSALS.items()
    }
    return {
        "summary": summary,
        "security": [{}, {"key": []}],
        "parameters": list(parameters),
        "responses": {"200": _ok({"$ref": AT + answer}), **refused},
    }


def _ok(schema: Json) -> Json:
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _id() -> tuple[Json, ...]:
    return ({"name": "id", "in": "path", "required": True, "schema": TEXT},)
