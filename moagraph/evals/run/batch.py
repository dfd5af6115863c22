"""A file of questions through one system: the same answers as an evaluation's, in one file."""

from pathlib import Path

from moagraph.evals.dataset import DataSet
from moagraph.evals.run.answers import Answering
from moagraph.evals.run.evaluation import How
from moagraph.evals.run.spending_limit import SpendingLimit
from moagraph.evals.run.store import Ledger
from moagraph.evals.run.systems import system
from moagraph.evals.run.workspace import room
from moagraph.nodes.errors import UsageError


async def batch(data: DataSet, name: str, out: Path, how: How) -> int:
    """Ask for all answers that the file does not hold yet; how many it holds in the end."""
    if out.is_dir():
        raise UsageError(f"{str(out)!r} is a folder: name a file for the answers")
    with room(out.with_name(f"{out.name}.partial"), out) as threads:
        asked = system(
            name,
            threads,
            how.keep_threads,
            temperature=how.temperature,
            max_tokens=how.max_tokens,
        )
        ledger = Ledger(out)
        try:
            for note in (*data.notes, *ledger.notes):
                how.told.note(note)
            if how.ready:
                await how.ready([asked.recipe])
            spending_limit = SpendingLimit(how.max_cost_usd, ledger.spent)
            answering = Answering(
                data, ledger, threads, spending_limit, how.told, how.parameters, how.at_once
            )
            await answering.run([asked])
            return sum(len(rows) for _, rows in answering.rows([asked]))
        finally:
            ledger.close()
