import pytest

from moagraph import MissingExtra, MissingKey, NotTrusted, UnknownName, UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import PROVIDERS, address, check, ollama_address, secret


def test_the_registry_knows_who_needs_a_key() -> None:
    assert {name for name, provider in PROVIDERS.items() if provider.needs_key} == {
        "together",
        "openai",
    }


def test_a_model_is_its_provider_and_a_name_that_may_hold_colons() -> None:
    assert split("ollama:llama3.2:3b") == ("ollama", "llama3.2:3b")
    for name in ("gpt-4o", ":a", "openai:", "openai: ", ""):
        with pytest.raises(ValueError, match="is not `provider:model`"):
            split(name)


OLLAMA = {
    "": "http://127.0.0.1:11434",
    "box": "http://box:11434",
    "box:99": "http://box:99",
    ":99": "http://127.0.0.1:99",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:99": "http://127.0.0.1:99",
    "http://box": "http://box:80",
    "http://box:99/": "http://box:99",
    "http://box:99/v1": "http://box:99",
    "https://box:99": "https://box:99",
    "[::1]:99": "http://[::1]:99",
    "[::1]": "http://[::1]:11434",
    "[::]": "http://127.0.0.1:11434",
    "https://ollama.example": "https://ollama.example:443",
    "https://box/ollama": "https://box:443/ollama",
}


@pytest.mark.parametrize(("host", "url"), OLLAMA.items(), ids=OLLAMA)
def test_ollama_host_may_be_written_as_ollama_reads_it(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ollama_address(host) == url
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert address(Call(model="ollama:a")) == f"{url}/v1"


def test_addresses_come_from_the_providers_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(Call(model="openai:a")) is None
    assert address(Call(model="together:a")) is None
    assert address(Call(model="vllm:a")) == "http://127.0.0.1:8000/v1"
    assert address(Call(model="ollama:a")) == "http://127.0.0.1:11434/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", " http://h/v1/ ")
    monkeypatch.setenv("VLLM_BASE_URL", "http://v:1/v1")
    assert address(Call(model="openai:a")) == "http://h/v1"
    assert address(Call(model="vllm:a")) == "http://v:1/v1"
    assert address(Call(model="openai:a", base_url="http://own/v1")) == "http://own/v1"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://me:pw@h/v1", "must not hold a user, a password or a query"),
        ("http://h/v1?key=pw", "must not hold a user, a password or a query"),
        ("ftp://me:pw@h", "must not hold a user, a password or a query"),
        ("h:8000/v1", "'h:8000/v1' is not an http"),
        ("http://", "is not an http"),
        ("http://h:port", "is not an http"),
        ("http://[::1", "is not an http"),
    ],
)
def test_an_odd_address_is_refused_without_its_password(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(UsageError, match=f"^OPENAI_BASE_URL: .*{message}") as caught:
        address(Call(model="openai:a"))
    assert "pw" not in str(caught.value)
    with pytest.raises(ValueError, match=message):
        Call(model="x:a", base_url=url)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_one_line_with_a_way_out(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("TOGETHER_API_KEY", value)
    with pytest.raises(MissingKey) as caught:
        check(Call(model="together:a/b"))
    assert str(caught.value) == (
        "TOGETHER_API_KEY is not set, and `together:a/b` needs it: set it, "
        "or run `moa ask --recipe local …`, which needs no key"
    )


def test_a_providers_key_never_goes_to_an_address_of_the_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "openai-key")
    monkeypatch.setenv("OTHER", "other-key")
    monkeypatch.setenv("MOA_KEY_ADDRESSES", "OTHER=http://h")
    assert secret(Call(model="openai:a")) == "openai-key"
    assert secret(Call(model="openai:a", base_url="http://h/v1")) is None
    asked = Call(model="openai:a", base_url="http://h/v1", api_key_env="OTHER")
    assert secret(asked) == "other-key"
    named = Call(model="openai:a", base_url="http://h/v1", api_key_env="OPENAI_API_KEY")
    with pytest.raises(NotTrusted, match="the key in OPENAI_API_KEY is not sent to 'http://h/v1'"):
        secret(named)
    with pytest.raises(MissingKey, match=r"^ABSENT is not set"):
        secret(Call(model="openai:a", api_key_env="ABSENT"))


def test_a_key_of_another_provider_does_not_go_to_a_providers_own_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "openai-key")
    with pytest.raises(NotTrusted, match=r"is not sent to 'https://api\.together\.xyz'"):
        secret(Call(model="together:a", api_key_env="OPENAI_API_KEY"))
    assert secret(Call(model="openai:a", api_key_env="OPENAI_API_KEY")) == "openai-key"
    moved = Call(model="openai:a", base_url="https://api.openai.com", api_key_env="OPENAI_API_KEY")
    assert secret(moved) == "openai-key"


@pytest.mark.parametrize("variable", ["OPENAI_API_BASE", "OPENAI_BASE_URL"])
def test_a_variable_that_moves_a_provider_moves_what_its_key_is_checked_against(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "my-key")
    monkeypatch.setenv("MOA_KEY_ADDRESSES", "MINE=https://api.openai.com")
    assert secret(Call(model="openai:a", api_key_env="MINE")) == "my-key"
    monkeypatch.setenv(variable, "http://proxy:1/v1")
    with pytest.raises(NotTrusted, match="is not sent to 'http://proxy:1/v1'"):
        secret(Call(model="openai:a", api_key_env="MINE"))


@pytest.mark.parametrize("model", ["ollama:a", "vllm:a", "scripted:a", "local:a"])
def test_some_need_no_key(model: str) -> None:
    check(Call(model=model))
    assert secret(Call(model=model)) is None


def test_an_unknown_provider_is_told_what_was_meant() -> None:
    with pytest.raises(UnknownName, match=r"^`opanai:a`: no provider is called 'opanai'; did you"):
        check(Call(model="opanai:a"))
    with pytest.raises(UnknownName, match="there are together, openai, ollama, vllm, local"):
        check(Call(model="zzz:a"))
    check(Call(model="zzz:a", base_url="http://h/v1"))


def test_a_provider_without_its_package_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"run `pip install langchain langchain-anthropic`$"):
        check(Call(model="anthropic:claude"))
