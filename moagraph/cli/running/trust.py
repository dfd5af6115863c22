"""Check before a run that an imported thread is trusted, and record it if the user trusts it."""

from moagraph.cli.render.output import say
from moagraph.cli.render.trust import trust_lines
from moagraph.threads.history import trust_of
from moagraph.threads.open import Threads
from moagraph.threads.trust import approve


async def allow_run(threads: Threads, thread_id: str, trust: bool) -> None:
    """Refuse an imported thread that is not trusted.

    Args:
        threads: The saver.
        thread_id: The thread that is about to run.
        trust: Whether the user trusts it from now on; what its recipe reaches is printed.
    """
    current = await trust_of(threads, thread_id)
    if not trust or current.trusted:
        current.check(thread_id)
        return
    approved = await approve(threads, thread_id, current)
    for line in trust_lines(thread_id, approved):
        say(f"moa: {line}")
