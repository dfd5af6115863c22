"""Models that replay answers from a file: recorded answers to exactly the same question.

`recorded:NAME` answers as NAME in the file that MOA_RECORDED names, `recorded:NAME@FILE` as in
that file: JSON lines or a list, packed or not, of a question with one output or with several.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.provider import Provider

VARIABLE = "MOA_RECORDED"
QUESTION_KEYS = ("instruction", "question", "prompt")
ANSWER_KEYS = ("output", "answer")
MODEL_KEYS = ("generator", "model", "system")

AnswersByModel: TypeAlias = dict[str, dict[str, str]]


class Recorded(BaseChatModel):
    """A chat model that replays recorded answers."""

    name: str
    file: Path

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = answers_of(self.file, self.name).get(_question(messages))
        if text is None:
            raise UsageError(f"{self.name!r} has no recorded answer to this in {str(self.file)!r}")
        metadata = {"model_name": self.name, "finish_reason": "stop"}
        message = AIMessage(text, response_metadata=metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])


class RecordedAnswers(Provider):
    """The provider `recorded:`."""

    variables = (VARIABLE,)

    def check(self, call: Call, model: str) -> None:
        """Refuse a model of which there is no record."""
        name, file = locate(model)
        answers_of(file, name)

    def chat_model(self, call: Call, model: str) -> BaseChatModel:
        """Return the model that answers from its file."""
        name, file = locate(model)
        return Recorded(name=name, file=file)


def locate(name: str) -> tuple[str, Path]:
    """Return the model's name in the file, and the path of the file."""
    model, at, file = name.partition("@")
    file = file if at else os.environ.get(VARIABLE, "").strip()
    if not file:
        raise UsageError(
            f"`recorded:{name}` needs a file: set {VARIABLE}, or say `recorded:{model}@FILE`"
        )
    return model, Path(file).expanduser().absolute()


def fingerprint(file: Path) -> str:
    """Return a short hash of the file."""
    return hashlib.sha256(_bytes(file)).hexdigest()[:12]


def answers_of(file: Path, model: str) -> dict[str, str]:
    """Return the model's answers by question."""
    answers = _load(file, file.stat().st_mtime_ns if file.is_file() else 0)
    if model not in answers:
        near = get_close_matches(model, answers, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(sorted(answers))}"
        raise UnknownName(f"{str(file)!r} holds no answer of {model!r}; {hint}")
    return answers[model]


@lru_cache(maxsize=8)
def _load(file: Path, changed: int) -> AnswersByModel:
    answers: AnswersByModel = {}
    for row in _rows(file):
        question = next((row[key] for key in QUESTION_KEYS if isinstance(row.get(key), str)), None)
        for model, text in _outputs(row):
            if question is not None and isinstance(text, str):
                answers.setdefault(model, {})[question] = text
    if not answers:
        raise UsageError(
            f"{str(file)!r} holds no recorded answer: a row has an `instruction`, and `outputs` "
            "by model or one `output` and its `generator`"
        )
    return answers


def _outputs(row: dict[str, Any]) -> Sequence[tuple[str, Any]]:
    if isinstance(row.get("outputs"), dict):
        return list(row["outputs"].items())
    model = next((row[key] for key in MODEL_KEYS if isinstance(row.get(key), str)), None)
    text = next((row[key] for key in ANSWER_KEYS if key in row), None)
    return [(model.removeprefix("recorded:"), text)] if model else []


def _rows(file: Path) -> list[dict[str, Any]]:
    text = _text(file)
    try:
        whole = text.lstrip().startswith("[")
        rows = json.loads(text) if whole else [json.loads(li) for li in text.split("\n") if li]
    except ValueError as error:
        raise UsageError(f"{str(file)!r} is not JSON: {error}") from error
    return [row for row in rows if isinstance(row, dict)]


def _text(file: Path) -> str:
    data = _bytes(file)
    try:
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: damaged, or not UTF-8") from error


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {str(file)!r}: {error.strerror}") from error


def _question(messages: Sequence[BaseMessage]) -> str:
    """Return the only message; recordings do not cover references or earlier turns."""
    if len(messages) != 1 or not isinstance(messages[0], HumanMessage):
        raise UsageError(
            "a recorded model answers a question alone, without references, a system message or "
            "earlier turns: seat it in layer 1"
        )
    return messages[0].text
