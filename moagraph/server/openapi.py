"""The server's OpenAPI document: requests from the pydantic models, responses by hand."""

import json
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from moagraph.nodes.state import Json
from moagraph.server.chat.request import ChatRequest
from moagraph.server.responses.request import ResponseRequest

SCHEMAS = "#/components/schemas/"
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
ERROR_RESPONSES = {
    400: "The request is wrong; `param` names the field.",
    401: "A key of this server is needed.",
    403: "Without keys only this machine may call.",
    404: "There is no such model.",
    408: "The body was not complete in time.",
    409: "The thread is busy with another request.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many requests run and wait; `Retry-After` says when to try again.",
    500: "The server had an error.",
    502: "The models failed.",
    503: "The models or the server cannot answer now.",
    504: "The models took too long.",
}


@cache
def encoded_document() -> bytes:
    """Encode the document, once: to build the schemas takes long."""
    return json.dumps(build_document()).encode()


def build_document() -> Json:
    """Build the document."""
    _, definitions = models_json_schema(
        [(ChatRequest, "validation"), (ResponseRequest, "validation")],
        ref_template=SCHEMAS + "{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "moagraph", "version": version("moagraph")},
        "paths": {
            "/v1/models": {"get": _operation("List the recipes as models.", "Models")},
            "/v1/models/{id}": {"get": _operation("One model.", "Model", _id_parameter())},
            "/v1/chat/completions": {"post": _chat_operation()},
            "/v1/responses": {"post": _response_operation()},
            "/healthz": {
                "get": {"summary": "Whether it runs.", "responses": {"200": _json(HEALTH)}}
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**definitions["$defs"], **RESPONSE_SCHEMAS},
        },
    }


def _object(**properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties]}


HEALTH = _object(status={"const": "ok"})
RESPONSE_SCHEMAS = {
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
        object={"const": "list"}, data={"type": "array", "items": {"$ref": SCHEMAS + "Model"}}
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
        usage={"$ref": SCHEMAS + "Usage"},
        choices={
            "type": "array",
            "items": {"$ref": SCHEMAS + "Choice"},
            "minItems": 1,
            "maxItems": 1,
        },
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


def _chat_operation() -> Json:
    summary = "One answer by the recipe's models, streaming or not."
    return _generation(summary, "ChatRequest", "Completion", "Chunks as OpenAI streams them.")


def _response_operation() -> Json:
    summary = "The same in OpenAI's newer form; nothing is stored but a named thread."
    return _generation(summary, "ResponseRequest", "Response", "Events as OpenAI streams them.")


def _generation(summary: str, request: str, response: str, stream: str) -> Json:
    """An operation with a JSON body that answers in JSON or as an event stream."""
    operation = _operation(summary, response)
    body = {"application/json": {"schema": {"$ref": SCHEMAS + request}}}
    operation["requestBody"] = {"required": True, "content": body}
    events = {"schema": {**TEXT, "description": stream}}
    operation["responses"]["200"]["content"]["text/event-stream"] = events
    return operation


def _operation(summary: str, response: str, parameters: tuple[Json, ...] = ()) -> Json:
    errors = {
        str(status): {**_json({"$ref": SCHEMAS + "Error"}), "description": description}
        for status, description in ERROR_RESPONSES.items()
    }
    return {
        "summary": summary,
        "security": [{}, {"key": []}],
        "parameters": list(parameters),
        "responses": {"200": _json({"$ref": SCHEMAS + response}), **errors},
    }


def _json(schema: Json) -> Json:
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _id_parameter() -> tuple[Json, ...]:
    return ({"name": "id", "in": "path", "required": True, "schema": TEXT},)
