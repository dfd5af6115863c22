"""The messages of a judge: from MT-Bench's prompts if the data set has them, else from ours."""

from collections.abc import Mapping
from dataclasses import dataclass

from moagraph.evals.judge import JudgeCase
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json
from moagraph.prompts import render

# FastChat's NEED_REF_CATS: answers in these categories are compared with a reference answer.
CATEGORIES_WITH_REFERENCE = {"math", "reasoning", "coding"}


@dataclass(frozen=True)
class JudgeMessages:
    """The name of a prompt and the messages that it renders to."""

    prompt: str
    messages: list[tuple[str, str]]


def build_pair_messages(
    case: JudgeCase, prompts: Mapping[str, Json], swapped: bool
) -> JudgeMessages:
    """Ask which of two answers is better.

    Args:
        case: The question with the system's and the baseline's answers.
        prompts: The data set's judge prompts by name; empty for ours.
        swapped: Whether the baseline's answer comes first.
    """
    first, second = (
        (case.baseline_answers, case.answers) if swapped else (case.answers, case.baseline_answers)
    )
    values = {f"answer_a_{n}": text for n, text in enumerate(first, 1)}
    values |= {f"answer_b_{n}": text for n, text in enumerate(second, 1)}
    values |= {"answer_a": first[-1], "answer_b": second[-1]}
    if prompts:
        return _from_data_set(case, prompts, "pair-v2", "pair-math-v1", values)
    return _from_our_prompt(
        case, "judge-pair", answer_a=number_turns(first), answer_b=number_turns(second)
    )


def build_grade_messages(case: JudgeCase, prompts: Mapping[str, Json]) -> JudgeMessages:
    """Ask for the grade of one answer.

    Args:
        case: The question with the system's answers.
        prompts: The data set's judge prompts by name; empty for ours.
    """
    values = {f"answer_{n}": text for n, text in enumerate(case.answers, 1)}
    values["answer"] = case.answers[-1]
    if prompts:
        return _from_data_set(case, prompts, "single-v1", "single-math-v1", values)
    return _from_our_prompt(case, "judge-grade", answer=number_turns(case.answers))


def number_turns(texts: tuple[str, ...]) -> str:
    """Join the texts of several turns, each with its number; a single text is unchanged."""
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"(Turn {number}) {text}" for number, text in enumerate(texts, 1))


def _from_data_set(
    case: JudgeCase, prompts: Mapping[str, Json], plain: str, math: str, values: Mapping[str, str]
) -> JudgeMessages:
    needs_reference = case.item.category in CATEGORIES_WITH_REFERENCE
    name = (math if needs_reference else plain) + ("-multi-turn" if case.turn > 1 else "")
    if needs_reference and case.reference is None:
        raise UsageError(
            f"row {case.item.id!r} needs a reference answer, and has none: put "
            "`reference_answer_*.jsonl` next to the questions"
        )
    variables = {f"question_{n}": text for n, text in enumerate(case.questions, 1)}
    variables |= {f"ref_answer_{n}": text for n, text in enumerate(case.item.references, 1)}
    variables |= {"question": case.questions[-1], **values}
    try:
        text = prompts[name]["prompt_template"].format(**variables)
        system = prompts[name]["system_prompt"]
    except (KeyError, IndexError) as error:
        raise UsageError(f"the data set's judge prompts lack {error} for {name!r}") from error
    return JudgeMessages(name, [("system", system), ("user", text)])


def _from_our_prompt(case: JudgeCase, prompt: str, **answers: str) -> JudgeMessages:
    reference = ""
    if case.reference is not None:
        reference = f"\n[Reference answer]\n{case.reference}\n[End of reference answer]\n"
    text = render(prompt, question=number_turns(case.questions), reference=reference, **answers)
    return JudgeMessages(prompt, [("user", text)])
