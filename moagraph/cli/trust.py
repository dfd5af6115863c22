"""Tell a person where a thread is from and what its recipe reaches, and record that it may run."""

from collections.abc import Iterator

from moagraph.cli.render.output import say
from moagraph.graphs.compile.thread_trust import ThreadTrust
from moagraph.nodes.texts.printable import one_line
from moagraph.threads.history import trust_of
from moagraph.threads.open import Threads
from moagraph.threads.trust import approve

LONGEST = 300  # characters of a name: code can be as long as its author likes


def trust_lines(thread_id: str, trust: ThreadTrust) -> Iterator[str]:
    """Of a thread from elsewhere: whether it may run, and a line for each thing that it reaches."""
    if not trust.imported:
        return
    where = f"may have been imported ({trust.doubt})" if trust.doubt else "was imported"
    state = "and is trusted" if trust.trusted else "and is not trusted: it does not run"
    what = "its recipe reaches" if trust.resources else "its recipe reaches nothing on this machine"
    yield one_line(f"thread {thread_id} {where} {state}; {what}")
    for one in trust.resources:
        name = one_line(one.name)
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]} …"
        yield f"  {one.kind} {shown} ({one_line(one.where)})"


async def let_run(threads: Threads, thread_id: str, trust: bool) -> None:
    """Refuse an imported thread that is not trusted, unless the person trusts it now."""
    known = await trust_of(threads, thread_id)
    if not trust or known.trusted:
        known.check(thread_id)
        return
    approved = await approve(threads, thread_id, known)
    for line in trust_lines(thread_id, approved):
        say(f"moa: {line}")
