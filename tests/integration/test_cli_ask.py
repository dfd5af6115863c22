import json
import signal
import subprocess
from pathlib import Path

from tests.faults import Always, Gate, Hang, Status, TruncatedBody
from tests.provider import Provider
from tests.terminal import ANSWER, MIX, MOA, environment, moa, saved, until

TWO = """
[defaults]
base_url = "{url}"
attempts = 2
[[layers]]
proposers = ["vllm:a", "vllm:b"]
[[layers]]
proposers = ["vllm:c", "vllm:d"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
FIELDS = [
    "thread_id", "recipe", "status", "answer", "layers", "steps", "usage", "cost_usd", "seconds",
]  # fmt: skip
PROPOSAL = {
    "seat", "node", "model", "ok", "text", "error", "input_tokens", "output_tokens", "seconds",
    "attempts", "cost_usd", "edited",
}  # fmt: skip


def test_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    done = moa("ask", "--recipe", saved(tmp_path), "--thread", "sky", "--json", "hi")
    assert done.code == 0
    [line] = done.out.splitlines()
    told = json.loads(line)
    assert list(told) == FIELDS
    assert (told["thread_id"], told["recipe"], told["status"]) == ("sky", "mix", "done")
    assert (told["answer"], told["cost_usd"]) == (ANSWER, None)
    [layer] = told["layers"]
    assert layer["layer"] == 1
    assert [(p["seat"], p["text"]) for p in layer["proposals"]] == [("01", "one"), ("02", "two")]
    assert PROPOSAL <= set(layer["proposals"][0])
    assert told["usage"]["calls"] == 3
    assert done.lines[0] == "moa: mix, 1 layer, 3 calls, thread sky"
    assert sorted(done.lines[1:3])[1] == "  1.02 scripted:two: done in 0.0 s, 1 token"
    assert "\x1b" not in done.err


def test_an_answer_goes_to_standard_output_and_the_rest_beside_it(tmp_path: Path) -> None:
    done = moa("ask", "--recipe", saved(tmp_path), "-", given="wie spät ist es? ☀".encode())
    assert (done.code, done.out) == (0, ANSWER + "\n")
    assert done.lines[-1].startswith("moa: done in ")
    assert "3 calls" in done.lines[-1]
    assert "price unknown" in done.lines[-1]


def test_a_failed_run_is_told_in_one_object_and_in_exit_code_1(
    provider: Provider, tmp_path: Path
) -> None:
    provider.script("c", Always(Status(400, message="no luck")))
    provider.script("d", Status(400, message="no luck"))
    recipe = saved(tmp_path, TWO.format(url=provider.base_url))
    done = moa("ask", "--recipe", recipe, "--thread", "t", "--json", "hi")
    told = json.loads(done.out)
    assert (done.code, told["status"], told["answer"]) == (1, "failed", "")
    assert "no luck" in told["error"]
    assert [layer["layer"] for layer in told["layers"]] == [1, 2]
    assert "  2.01 vllm:c: failed: 400: no luck" in done.lines
    assert done.lines[-1].endswith("`moa retry t` asks again only what failed")
    again = moa("retry", "t")
    assert (again.code, again.out) == (0, "agg says: this is answer number 1.\n")
    assert [call.model for call in provider.calls].count("a") == 1
    assert not [line for line in again.lines if line.startswith("  1.")]


def test_a_pause_is_no_failure_and_says_how_to_go_on(tmp_path: Path) -> None:
    recipe = saved(tmp_path)
    done = moa("ask", "--recipe", recipe, "--thread", "t", "--pause-after", "all", "--json", "hi")
    told = json.loads(done.out)
    assert (done.code, told["status"], told["answer"]) == (0, "paused", "")
    assert told["next"] == ["L1_join"]
    plain = moa("resume", "t", "--drop", "1.2", "--add", "three")
    assert (plain.code, plain.out) == (0, ANSWER + "\n")


def test_an_answer_streams_into_a_pipe_before_it_is_whole(
    provider: Provider, tmp_path: Path
) -> None:
    gate = Gate()
    provider.reply("agg", "one two three four five six")
    provider.script("agg", gate)
    recipe = saved(tmp_path, TWO.format(url=provider.base_url))
    command = [MOA, "ask", "--recipe", recipe, "hi"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout
        assert process.stdout.read(13) == b"one two three"
        assert provider.calls[-1].finished is None
        gate.opened.set()
        assert process.stdout.read() == b" four five six\n"
        process.communicate()
    assert process.returncode == 0


def test_an_answer_that_broke_off_is_marked_and_then_whole(
    provider: Provider, tmp_path: Path
) -> None:
    provider.reply("agg", "one two three four five six")
    provider.script("agg", TruncatedBody())
    done = moa("ask", "--recipe", saved(tmp_path, TWO.format(url=provider.base_url)), "hi")
    assert done.out == "one two three\none two three four five six\n"
    assert "moa: the answer above broke off; it is asked for again" in done.lines


def test_ctrl_c_ends_in_one_line_and_resume_goes_on(provider: Provider, tmp_path: Path) -> None:
    provider.script("c", Hang())
    provider.script("d", Hang())
    recipe = saved(tmp_path, TWO.format(url=provider.base_url))
    command = [MOA, "ask", "--recipe", recipe, "--thread", "t", "hi"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        until(lambda: len(provider.calls) == 4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1] == "moa: stopped; `moa resume t` goes on from here"
    assert b"Traceback" not in err
    until(lambda: [call.aborted for call in provider.calls] == [False, False, True, True])
    again = moa("resume", "t")
    assert (again.code, again.out) == (0, "agg says: this is answer number 1.\n")
    assert [call.model for call in provider.calls[4:]][-1] == "agg"
    assert sorted(call.model for call in provider.calls[4:]) == ["agg", "c", "d"]


def test_a_model_drives_no_terminal_and_odd_signs_break_no_pipe(
    provider: Provider, tmp_path: Path
) -> None:
    evil = "safe \x1b]0;title\x07 \x1b[2J \x9b31m \u202etxet\u2066 \r\x00\x7f ☀ end"
    provider.reply("agg", evil)
    provider.script("a", Status(400, message=evil))
    recipe = saved(tmp_path, TWO.format(url=provider.base_url))
    done = moa("ask", "--recipe", recipe, "hi", PYTHONIOENCODING="latin-1")
    assert done.out == "safe ]0;title [2J 31m txet  ? end\n"
    failed = next(line for line in done.lines if line.startswith("  1.01"))
    assert not set(failed) & set("\x1b\x07\x9b\u202e\u2066\r\x00\x7f")
    kept = moa("ask", "--recipe", recipe, "--json", "hi")
    assert json.loads(kept.out)["answer"].startswith("safe \x1b]0;title")
    assert "\x1b" not in kept.out


def test_a_system_message_and_the_turns_before_reach_every_model(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = saved(tmp_path, TWO.format(url=provider.base_url))
    asked = ("ask", "--recipe", recipe, "--thread", "t")
    assert moa(*asked, "--system", "Be brief.", "hi").code == 0
    assert moa(*asked, "and now?").code == 0
    first, second = provider.calls[0].messages, provider.calls[5].messages
    assert [m["role"] for m in first] == ["system", "user"]
    assert first[0]["content"] == "Be brief."
    assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
    assert second[2]["content"] == "agg says: this is answer number 1."
    late = moa(*asked, "--system", "Be long.", "hi")
    assert late.code == 2
    assert late.lines == ["moa: this thread has begun: its system message cannot be changed"]


def test_a_whole_mixture_needs_no_more_than_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "recipes"
    folder.mkdir(parents=True)
    (folder / "own.toml").write_text(MIX)
    assert moa("ask", "--recipe", "own", "hi").out == ANSWER + "\n"
