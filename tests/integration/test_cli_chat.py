from pathlib import Path

from tests.faults import Status
from tests.provider import Provider
from tests.terminal import moa, saved

RECIPE = """
[[layers]]
proposers = [{{ model = "vllm:a", base_url = "{url}" }}]
aggregate = {{ step = "synthesize", model = "vllm:agg", base_url = "{url}", attempts = 1 }}
"""


def test_a_chat_keeps_its_conversation_past_a_turn_that_fails(
    provider: Provider, tmp_path: Path
) -> None:
    provider.reply("agg", "first answer", "third \x1b[2Janswer")
    provider.script("agg", None, Status(400, message="no luck"))
    recipe = saved(tmp_path, RECIPE.format(url=provider.base_url))
    typed = b"one\n\n  \nt\x1bwo\nthree\n"
    words = ("chat", "--recipe", recipe, "--thread", "t", "--system", "Be brief.")
    done = moa(*words, given=typed)
    assert done.code == 0
    assert done.out == "first answer\nthird [2Janswer\n"
    assert done.lines[0] == "moa: thread t; Ctrl-D ends"
    assert [line for line in done.lines if line.endswith("400: no luck")]
    heard = [call.messages for call in provider.calls if call.model == "a"]
    assert [m["content"] for m in heard[0]] == ["Be brief.", "one"]
    told = [m["content"] for m in heard[-1]]
    assert told[:3] == ["Be brief.", "one", "first answer"]
    assert told[-1] == "three"
    later = moa("chat", "--recipe", recipe, "--thread", "t", given=b"four")
    assert (later.code, later.out) == (0, "third [2Janswer\n")
    assert provider.calls[-1].messages[-2]["content"] == "third \x1b[2Janswer"
