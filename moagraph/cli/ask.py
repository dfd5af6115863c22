"""The commands that run: `ask`, `chat`, `resume`, `retry` and `replay`."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from moagraph.api.ask import aask, new_thread
from moagraph.api.default_recipe import choose
from moagraph.api.estimate import estimated
from moagraph.api.resume import areplay, aresume, aretry
from moagraph.cli.preflight import prepare
from moagraph.cli.render.live import Display, watcher
from moagraph.cli.render.output import out, say
from moagraph.cli.render.text import verdict
from moagraph.cli.review import ANSWER, decide
from moagraph.cli.trust import let_run
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.errors import UsageError
from moagraph.nodes.messages.compose import check_question
from moagraph.nodes.policies.budget_report import exceeded_line
from moagraph.nodes.policies.review import Review
from moagraph.nodes.texts.printable import clean
from moagraph.threads.forks import seat_of
from moagraph.threads.history import Thread, opened
from moagraph.threads.open import Threads, open_threads
from moagraph.threads.result import Result

Run = Callable[[Threads, Display], Awaitable[Result]]


def ask(
    question: str,
    recipe: str | None,
    thread: str | None,
    pause_after: Sequence[str],
    system: str | None,
    cache: bool,
    explain: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Answer one question, by a named recipe or the best that can run."""
    asked = check_question(_stdin() if question == "-" else question)
    name, id_ = pick(recipe), thread or new_thread()
    run = _asking(asked, name, id_, system, pause_after, cache, trust)
    came = _watched(run, as_json, id_)
    for step in came.steps if explain else ():
        if "why" in step:
            say(f"moa: {step['node']} {verdict(step)}")
    conclude(came, as_json)


def estimate(question: str, recipe: str | None, system: str | None, as_json: bool) -> None:
    """Say what a question would take at most; no model is asked."""
    asked = check_question(_stdin() if question == "-" else question)
    came = asyncio.run(estimated(asked, load_recipe(pick(recipe)), system))
    if as_json:
        out(json.dumps(came, ensure_ascii=False))
        return
    unknown = f"unknown: no price for {', '.join(came['unpriced'])}"
    price = unknown if came["cost_usd"] is None else f"${came['cost_usd']:.4f}"
    out(f"{came['recipe']}: {came['calls']} calls, {came['tokens']:,} tokens at most, {price}")
    say(f"moa: {came['note']}")


def chat(recipe: str | None, thread: str | None, system: str | None, trust: bool) -> None:
    """Ask again and again on one thread; a turn that fails leaves the conversation open."""
    name, id_ = pick(recipe), thread or new_thread()
    say(f"moa: thread {id_}; Ctrl-D ends")
    while (question := _next_line()) is not None:
        if question.strip():
            run = _asking(question, name, id_, system, trust=trust)
            came = _watched(run, False, id_)
            system = None
            if came.status == "failed":
                say(f"moa: {came.error}")


def resume(
    thread: str,
    edit: Sequence[str],
    drop: Sequence[str],
    add: Sequence[str],
    pin: Sequence[str],
    abort: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Go on after a pause or a crash; a pause is decided by the options, or asked about."""
    told = bool(edit or drop or add or pin or abort)

    async def run(threads: Threads, watch: Display) -> Result:
        await let_run(threads, thread, trust)
        at = await opened(threads, thread)
        review = _review(at, edit, drop, add, pin, abort) if told else None
        if at.state.interrupts and not told:
            review = decide(at.state.interrupts[0].value)
        await prepare(at.recipe)
        return await aresume(thread, threads, review, watch)

    conclude(_watched(run, as_json, thread), as_json)


def retry(thread: str, trust: bool, as_json: bool) -> None:
    """Ask again only what failed."""

    async def run(threads: Threads, watch: Display) -> Result:
        await let_run(threads, thread, trust)
        at = await opened(threads, thread)
        await prepare(at.recipe)
        return await aretry(thread, threads, watch)

    conclude(_watched(run, as_json, thread), as_json)


def replay(
    thread: str,
    from_layer: int | None,
    edit: Sequence[str],
    drop: Sequence[str],
    again: Sequence[str],
    put: Sequence[str],
    trust: bool,
    as_json: bool,
) -> None:
    """Run everything behind a layer anew, in a fork."""
    edits = {name: text for name, text in map(_edit, edit)}
    puts = dict(_pair(said, "--set PATH=VALUE") for said in put)

    async def run(threads: Threads, watch: Display) -> Result:
        await let_run(threads, thread, trust)
        at = await opened(threads, thread)
        await prepare(at.recipe)
        return await areplay(
            thread,
            threads,
            from_layer=from_layer,
            edit=edits,
            drop=drop,
            again=again,
            put=puts,
            watch=watch,
        )

    conclude(_watched(run, as_json, thread), as_json)


def _asking(
    question: str,
    recipe: str,
    thread: str,
    system: str | None,
    pause_after: Sequence[str] = (),
    cache: bool = False,
    trust: bool = False,
) -> Run:
    """One turn, once what it needs is here."""

    async def run(threads: Threads, watch: Display) -> Result:
        await let_run(threads, thread, trust)
        chosen = load_recipe(recipe)
        await prepare(chosen)
        return await aask(
            check_question(question),
            recipe,
            system=system,
            thread=thread,
            threads=threads,
            pause_after=_pauses(pause_after, len(chosen.layers)),
            cache=cache,
            watch=watch,
            trust=trust,
        )

    return run


def pick(recipe: str | None) -> str:
    """The recipe's name, and a line that says which and why where none was named."""
    if recipe:
        return recipe
    choice = choose()
    say(f"moa: recipe `{choice.recipe}`: {choice.why}")
    return choice.recipe


def conclude(came: Result, as_json: bool) -> None:
    """Print what is still to be said, and exit as the run ended."""
    if as_json:
        out(json.dumps(came.as_json(), ensure_ascii=False))
    for entry in came.over_budget:
        say(f"moa: {exceeded_line(entry)}")
    if came.status == "paused" and not as_json:
        say(f"moa: paused; `moa show {came.thread_id}` shows it, `moa resume {came.thread_id}`")
    if came.status == "failed":
        say(f"moa: {came.error}; `moa retry {came.thread_id}` asks again only what failed")
        sys.exit(1)


def _watched(run: Run, as_json: bool, thread: str) -> Result:
    """Run under a display; Ctrl-C leaves a thread that can be resumed."""
    begun = False

    async def watched() -> Result:
        nonlocal begun
        async with watcher(answers=not as_json) as watch:
            try:
                came = await run(threads, watch)
            finally:
                begun = bool(watch.rows)
            watch.ended(came)
            return came

    with open_threads() as threads:
        try:
            return asyncio.run(watched())
        except KeyboardInterrupt:
            on = f"`moa resume {thread}` goes on from here" if begun else "nothing was asked"
            say(f"moa: stopped; {on}")
            raise


def _review(
    thread: Thread,
    edit: Sequence[str],
    drop: Sequence[str],
    add: Sequence[str],
    pin: Sequence[str],
    abort: bool,
) -> Review:
    """The decision that the options spell; their layer must be the one that is paused."""
    value = thread.state.interrupts[0].value if thread.state.interrupts else {}
    if "step" in value:
        return _decision(value["step"], edit, [*drop, *add, *pin], abort)
    paused = value.get("layer")
    edits = [(seat_of(name), text) for name, text in map(_edit, edit)]
    drops, pins = [seat_of(name) for name in drop], [seat_of(name) for name in pin]
    for layer, seat in (*(seat for seat, _ in edits), *drops, *pins):
        if layer != paused:
            where = f"layer {paused}" if paused else "no layer"
            raise UsageError(f"{layer}.{seat} cannot be changed: the thread is paused at {where}")
    return Review(
        edit={seat: text for (_, seat), text in edits},
        drop=[seat for _, seat in drops],
        add=[_text(text) for text in add],
        pin=[seat for _, seat in pins],
        abort=abort,
    )


def _decision(step: str, edit: Sequence[str], more: Sequence[str], abort: bool) -> Review:
    """The decision on an answer that failed its checks."""
    edits = dict(map(_edit, edit))
    if more or edits.keys() - {ANSWER}:
        raise UsageError(
            f"the thread is paused at `{step}`, where the answer is accepted as it is, "
            f"edited (`--edit {ANSWER}=TEXT`) or the run stopped (`--abort`)"
        )
    return Review(edit=edits, abort=abort)


def _edit(said: str) -> tuple[str, str]:
    name, text = _pair(said, "--edit L.S=TEXT")
    return name, _text(text)


def _pair(said: str, form: str) -> tuple[str, str]:
    name, sign, value = said.partition("=")
    if not sign:
        raise UsageError(f"{said!r} is not {form}")
    return name, value


def _text(said: str) -> str:
    """The text, or what is in the file that `@FILE` names."""
    if not said.startswith("@"):
        return said
    try:
        return Path(said[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {said[1:]!r}: {why}") from error


def _pauses(said: Sequence[str], layers: int) -> list[int]:
    if "all" in said:
        return list(range(1, layers + 1))
    odd = next((number for number in said if not number.isdecimal()), None)
    if odd is not None:
        raise UsageError(f"--pause-after {odd!r}: it takes a layer's number, or `all`")
    return [int(number) for number in said]


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is not UTF-8 (byte {error.start}): convert it first, "
            "for example with `iconv -t UTF-8`"
        ) from error


def _next_line() -> str | None:
    if sys.stdin.isatty():
        sys.stderr.write("> ")
        sys.stderr.flush()
    line = sys.stdin.buffer.readline()
    return clean(line.decode("utf-8", "replace")).rstrip("\r\n") if line else None
