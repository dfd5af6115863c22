"""Where a thread is from and what its recipe reaches, as lines for a terminal."""

from collections.abc import Iterator

from moagraph.graphs.compile.thread_trust import ThreadTrust
from moagraph.nodes.texts.printable import one_line

LONGEST_NAME = 300  # in characters: a name can be code, which can have any length


def trust_lines(thread_id: str, trust: ThreadTrust) -> Iterator[str]:
    """Whether an imported thread may run, and a line for each resource that it reaches."""
    if not trust.imported:
        return
    origin = f"may have been imported ({trust.doubt})" if trust.doubt else "was imported"
    state = "and is trusted" if trust.trusted else "and is not trusted: it does not run"
    reach = (
        "its recipe reaches" if trust.resources else "its recipe reaches nothing on this machine"
    )
    yield one_line(f"thread {thread_id} {origin} {state}; {reach}")
    for resource in trust.resources:
        name = one_line(resource.name)
        shortened = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]} …"
        yield f"  {resource.kind} {shortened} ({one_line(resource.where)})"
