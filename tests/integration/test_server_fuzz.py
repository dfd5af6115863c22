from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from tests.serving import Served, save, serving

EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
ROUTES = [
    ("/v1/models", "GET"),
    ("/v1/models/{id}", "GET"),
    ("/v1/responses", "POST"),
    ("/v1/chat/completions", "POST"),
]


@pytest.fixture
def served() -> Iterator[Served]:
    save("mix", ["scripted:one"], aggregator="scripted:hi")
    with serving() as served:
        yield served


def schema_of(served: Served) -> Any:
    """Its own document, with a model that is there: else nothing gets past its name."""
    document = served.get("/openapi.json").json()
    fields = document["components"]["schemas"]["ChatRequest"]["properties"]
    fields["model"] = {"enum": ["moa/mix", "mix"]}
    fields.pop("metadata")  # a thread each would write to the disk all the time
    return schemathesis.openapi.from_dict(document)


def hammer(served: Served, path: str, method: str, mode: GenerationMode, more: list[Any]) -> int:
    operation = schema_of(served)[path][method]
    tried = 0

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal tried
        tried += 1
        answer = case.call(base_url=f"http://127.0.0.1:{served.port}")
        case.validate_response(answer, checks=[*CHECKS, *more])

    one()
    return tried


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_what_its_document_allows_breaks_nothing(served: Served, path: str, method: str) -> None:
    assert hammer(served, path, method, GenerationMode.POSITIVE, []) > 0
    assert served.ask().choices[0].message.content == "hi"


def test_what_its_document_forbids_is_refused(served: Served) -> None:
    path, method = ROUTES[-1]
    more = [checks.negative_data_rejection]
    assert hammer(served, path, method, GenerationMode.NEGATIVE, more) >= 20
    assert served.ask().choices[0].message.content == "hi"
