"""Answer a file of questions with one system; the answers are an evaluation's, in one file."""

from pathlib import Path

from moagraph.evals.dataset import DataSet
from moagraph.evals.run.answers import AnswerCollector
from moagraph.evals.run.evaluation import RunOptions
from moagraph.evals.run.spending_limit import SpendingLimit
from moagraph.evals.run.store import ResultStore
from moagraph.evals.run.systems import load_system
from moagraph.evals.run.workspace import open_workspace
from moagraph.nodes.errors import UsageError


async def batch(data: DataSet, name: str, out: Path, options: RunOptions) -> int:
    """Get every answer that the file does not have; return how many it has at the end.

    Args:
        data: The questions.
        name: The system: a recipe, or `provider:model`.
        out: The file of the answers; a new run continues it.
        options: How to run.
    """
    if out.is_dir():
        raise UsageError(f"{str(out)!r} is a folder: name a file for the answers")
    with open_workspace(out.with_name(f"{out.name}.partial"), out) as threads:
        system = load_system(
            name,
            threads,
            options.keep_threads,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
        )
        store = ResultStore(out)
        try:
            for note in (*data.notes, *store.notes):
                options.progress.note(note)
            if options.preflight:
                await options.preflight([system.recipe])
            collector = AnswerCollector(
                data,
                store,
                threads,
                SpendingLimit(options.max_cost_usd, store.spent),
                options.progress,
                options.parameters,
                options.concurrency,
            )
            await collector.run([system])
            return sum(len(rows) for _, _, rows in collector.rows([system]))
        finally:
            store.close()
