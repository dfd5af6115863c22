"""`moa retry`: ask again only what failed."""

from typing import TYPE_CHECKING

from moagraph.cli.options import JsonOption, ThreadArgument, TrustOption

if TYPE_CHECKING:
    from moagraph.cli.render.live import Display
    from moagraph.threads.open import Threads
    from moagraph.threads.result import Result


def retry(thread: ThreadArgument, trust: TrustOption = False, as_json: JsonOption = False) -> None:
    """Ask again only what failed."""
    from moagraph.api.resume import aretry
    from moagraph.cli.running.live_run import open_prepared, report, run_live

    async def run(threads: "Threads", display: "Display") -> "Result":
        await open_prepared(threads, thread, trust)
        return await aretry(thread, threads, display)

    report(run_live(run, as_json, thread), as_json)
