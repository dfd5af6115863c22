"""The words of what runs long: `moa batch`, `moa eval run`, `moa eval judge`."""

from typing import Annotated

import typer

RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", "-r", metavar="NAME|FILE|MODEL", help="Default: the best there is."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, help="How many are asked at once.")
]
CostOption = Annotated[
    float | None,
    typer.Option("--max-cost-usd", metavar="X", min=0, help="All runs into it together."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first rows.")
]
KeepOption = Annotated[
    bool, typer.Option("--keep-threads", help="Keep each answer's thread beside the results.")
]
JudgeOption = Annotated[
    list[str],
    typer.Option(
        "--judge",
        metavar="HOW[:WHO]",
        help="grade, flask, pairwise or pairwise-logprobs:MODEL; exact; numeric; "
        "python:MODULE:FUNCTION; recorded:FILE.",
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="SYSTEM", help="What pairs are compared with."),
]
JudgeTokensOption = Annotated[
    int | None, typer.Option("--judge-max-tokens", metavar="N", min=1, help="For a verdict.")
]


def batch(
    given: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="JSON lines, or one question a line; `-` is standard input."
        ),
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="JSON lines; what is there stays.")],
    recipe: RecipeOption = None,
    limit: LimitOption = None,
    concurrency: ConcurrencyOption = 8,
    max_cost_usd: CostOption = None,
    keep_threads: KeepOption = False,
) -> None:
    """Answer a file of questions, or go on with one."""
    from moagraph.cli.batch import batch as command

    command(given, out, recipe, limit, concurrency, max_cost_usd, keep_threads)


def eval_run(
    data: Annotated[
        str,
        typer.Option("--data", metavar="FILE|FOLDER", help="AlpacaEval, MT-Bench, FLASK, JSONL."),
    ],
    system: Annotated[
        list[str], typer.Option("--system", metavar="RECIPE|MODEL", help="Once for each.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="Where the results go.")],
    judge: JudgeOption = [],  # noqa: B006
    baseline: BaselineOption = None,
    limit: LimitOption = None,
    concurrency: ConcurrencyOption = 8,
    max_cost_usd: CostOption = None,
    recorded: Annotated[
        str | None,
        typer.Option("--recorded", metavar="FILE", help="What `recorded:` models once said."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", min=0, max=2, help="Of single models."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", min=1, help="Of single models.")
    ] = None,
    judge_max_tokens: JudgeTokensOption = None,
    active_parameters: Annotated[
        list[str],
        typer.Option(
            "--active-parameters", metavar="MODEL=BILLIONS", help="Where the table lacks them."
        ),
    ] = [],  # noqa: B006
    keep_threads: KeepOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have systems answer a data set, and judges judge them; again, it goes on."""
    from moagraph.cli.eval_run import run

    run(
        data,
        system,
        judge,
        baseline,
        out,
        limit,
        concurrency,
        max_cost_usd,
        recorded,
        temperature,
        max_tokens,
        judge_max_tokens,
        active_parameters,
        keep_threads,
        as_json,
    )


def eval_judge(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Of an evaluation.")],
    judge: JudgeOption,
    baseline: BaselineOption = None,
    concurrency: ConcurrencyOption = 8,
    max_cost_usd: CostOption = None,
    judge_max_tokens: JudgeTokensOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the answers that a folder holds; nobody is asked for answers."""
    from moagraph.cli.eval_run import judge as command

    command(folder, judge, baseline, concurrency, max_cost_usd, judge_max_tokens, as_json)
