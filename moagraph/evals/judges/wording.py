"""The words that a judge is sent: MT-Bench's own where the data set brings them, else ours."""

from collections.abc import Mapping
from dataclasses import dataclass

from moagraph.evals.judge import Case
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json
from moagraph.prompts import render

# FastChat's NEED_REF_CATS: these are judged beside a reference answer.
WITH_REFERENCE = {"math", "reasoning", "coding"}


@dataclass(frozen=True)
class Words:
    """A prompt's name and the messages that it came to."""

    prompt: str
    messages: list[tuple[str, str]]


def pair(case: Case, prompts: Mapping[str, Json], swapped: bool) -> Words:
    """Both answers side by side, the system's first unless they are swapped."""
    first, second = (case.against, case.answers) if swapped else (case.answers, case.against)
    values = {f"answer_a_{n}": text for n, text in enumerate(first, 1)}
    values |= {f"answer_b_{n}": text for n, text in enumerate(second, 1)}
    values |= {"answer_a": first[-1], "answer_b": second[-1]}
    if prompts:
        return _theirs(case, prompts, "pair-v2", "pair-math-v1", values)
    return _ours(case, "judge-pair", answer_a=talk(first), answer_b=talk(second))


def grade(case: Case, prompts: Mapping[str, Json]) -> Words:
    """One answer alone."""
    values = {f"answer_{n}": text for n, text in enumerate(case.answers, 1)}
    values["answer"] = case.answers[-1]
    if prompts:
        return _theirs(case, prompts, "single-v1", "single-math-v1", values)
    return _ours(case, "judge-grade", answer=talk(case.answers))


def _theirs(
    case: Case, prompts: Mapping[str, Json], plain: str, math: str, values: Mapping[str, str]
) -> Words:
    known = case.item.category in WITH_REFERENCE
    name = (math if known else plain) + ("-multi-turn" if case.turn > 1 else "")
    if known and case.reference is None:
        raise UsageError(
            f"row {case.item.id!r} is judged beside a reference answer, and there is none: "
            "`reference_answer_*.jsonl` belongs beside the questions"
        )
    told = {f"question_{n}": text for n, text in enumerate(case.questions, 1)}
    told |= {f"ref_answer_{n}": text for n, text in enumerate(case.item.references, 1)}
    told |= {"question": case.questions[-1], **values}
    try:
        said = prompts[name]["prompt_template"].format(**told)
        system = prompts[name]["system_prompt"]
    except (KeyError, IndexError) as error:
        raise UsageError(f"the data set's judge prompts lack {error} for {name!r}") from error
    return Words(name, [("system", system), ("user", said)])


def _ours(case: Case, prompt: str, **answers: str) -> Words:
    reference = ""
    if case.reference is not None:
        reference = f"\n[Reference answer]\n{case.reference}\n[End of reference answer]\n"
    said = render(prompt, question=talk(case.questions), reference=reference, **answers)
    return Words(prompt, [("user", said)])


def talk(texts: tuple[str, ...]) -> str:
    """One text as it is; of several turns each with its number."""
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"(Turn {number}) {text}" for number, text in enumerate(texts, 1))
