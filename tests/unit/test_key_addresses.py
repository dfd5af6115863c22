import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from moagraph import NotTrusted, StorageError, UsageError
from moagraph.nodes.models.key_addresses import (
    FILE,
    address_of,
    can_be_paired,
    check_allowed,
    is_allowed,
    origin,
    remember,
)

OWN = "https://api.openai.com/v1"
SAME = [
    "https://api.openai.com",
    "HTTPS://API.OPENAI.COM/v1",
    "https://api.openai.com:443/v1/other",
    "https://api.openai.com:0443",
]
OTHERS = [
    "http://api.openai.com/v1",
    "https://api.openai.com:444/v1",
    "https://api.openai.com.evil.example/v1",
    "https://evil-api.openai.com/v1",
    "https://openai.com/v1",
    "https://evil.example/api.openai.com",
    "https://api.openai.com@evil.example/v1",
    "https://api.openai.com:443@evil.example/v1",
    "https://evil.example?https://api.openai.com",
    "https://api.openai.com\\.evil.example/v1",
    "https://api.openai.com;.evil.example",
    "https://api.openai.com./v1",
    "https://api.openai.com%2eevil.example",
    "https://api%2eopenai.com",
    "https://api。openai。com",  # ideographic full stops
    "https://ａpi.openai.com",  # noqa: RUF001 (a full-width letter)
    "https://арi.openai.com",  # noqa: RUF001 (Cyrillic letters)
    "https://api.openai.com\t.evil.example",
    "https:api.openai.com",
    "//api.openai.com",
    "api.openai.com",
    "",
]


@pytest.mark.parametrize("url", SAME)
def test_the_same_server_is_recognised_however_it_is_written(url: str) -> None:
    assert origin(url) == origin(OWN) == ("https", "api.openai.com", 443)
    assert is_allowed("OPENAI_API_KEY", url)


@pytest.mark.parametrize("url", OTHERS)
def test_another_server_is_not_taken_for_the_providers(url: str) -> None:
    assert origin(url) != origin(OWN)
    with pytest.raises(NotTrusted):
        check_allowed("OPENAI_API_KEY", url)


@pytest.mark.parametrize(
    ("variable", "base"),
    [
        ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("OPENAI_API_KEY", "OPENAI_API_BASE"),
        ("TOGETHER_API_KEY", "TOGETHER_API_BASE"),
        ("TOGETHER_API_KEY", "TOGETHER_BASE_URL"),
        ("VLLM_API_KEY", "VLLM_BASE_URL"),
        ("GROQ_API_KEY", "GROQ_API_BASE"),
        ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_a_providers_own_base_url_variable_pairs_its_key_and_no_other(
    variable: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_allowed(variable, "http://proxy:9000/v1")
    monkeypatch.setenv(base, "http://proxy:9000/v1")
    assert is_allowed(variable, "http://proxy:9000/other")
    assert not is_allowed(variable, "http://proxy:9001/v1")
    assert not is_allowed("HOME", "http://proxy:9000/v1")
    assert not is_allowed("MISTRAL_API_KEY", "http://proxy:9000/v1")


def test_a_base_url_variable_of_no_known_provider_pairs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_BASE_URL", "http://acme:1")
    assert not is_allowed("ACME_API_KEY", "http://acme:1")


def test_pairs_of_the_environment_hold_for_their_variable_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = " A_KEY = https://a.example/v1 ,B_KEY=http://127.0.0.1:9,A_KEY=http://[::1]:8,"
    monkeypatch.setenv("MOA_KEY_ADDRESSES", pairs)
    assert is_allowed("A_KEY", "https://a.example")
    assert is_allowed("A_KEY", "http://[::1]:8/v1")
    assert is_allowed("B_KEY", "http://127.0.0.1:9/v1")
    assert not is_allowed("B_KEY", "https://a.example")
    assert not is_allowed("A_KEY", "http://127.0.0.1:9")
    assert not is_allowed("A_KEY", "http://localhost:8")


@pytest.mark.parametrize("pairs", ["A_KEY", "=https://a.example", "A_KEY=", "A_KEY=a.example:1"])
def test_a_pair_that_is_none_is_refused_in_one_line(
    pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOA_KEY_ADDRESSES", pairs)
    with pytest.raises(UsageError, match=r"^MOA_KEY_ADDRESSES: .* is not VARIABLE=https://host$"):
        is_allowed("A_KEY", "https://a.example")


def test_the_refusal_says_how_to_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotTrusted) as refused:
        check_allowed("OPENAI_API_KEY", "http://127.0.0.1:9999/v1")
    pair = "OPENAI_API_KEY=http://127.0.0.1:9999"
    assert str(refused.value) == (
        "the key in OPENAI_API_KEY is not sent to 'http://127.0.0.1:9999/v1': it belongs to "
        f"OpenAI; if that server may have it, set MOA_KEY_ADDRESSES={pair}"
    )
    monkeypatch.setenv("MOA_KEY_ADDRESSES", pair)
    check_allowed("OPENAI_API_KEY", "http://127.0.0.1:9999/v1")


@pytest.mark.parametrize("variable", ["HOME", "PATH", "AWS_SECRET_ACCESS_KEY", "ACME_API_KEY"])
def test_any_variable_may_hold_a_secret(variable: str) -> None:
    with pytest.raises(NotTrusted, match=f"the key in {variable} .*: no address is paired with it"):
        check_allowed(variable, OWN)


def test_what_a_person_approved_is_remembered_for_this_user_only(tmp_path: Path) -> None:
    assert can_be_paired("ACME_KEY", "http://acme:1/v1")
    remember("ACME_KEY", "http://acme:1/v1")
    remember("ACME_KEY", "https://ACME.example:443/v2")
    remember("ACME_KEY", "http://acme:1/again")
    assert is_allowed("ACME_KEY", "http://acme:1")
    assert is_allowed("ACME_KEY", "https://acme.example/v1")
    assert not is_allowed("ACME_KEY", "http://acme:2")
    assert not is_allowed("OTHER_KEY", "http://acme:1")
    assert not can_be_paired("ACME_KEY", "http://acme:1/v1")
    file = tmp_path / "home" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"ACME_KEY": ["http://acme:1", "https://acme.example"]}


def test_an_approval_belongs_to_its_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember("ACME_KEY", "http://acme:1")
    assert is_allowed("ACME_KEY", "http://acme:1")
    monkeypatch.setenv("MOA_HOME", str(tmp_path / "other"))
    assert not is_allowed("ACME_KEY", "http://acme:1")


def test_nobody_is_asked_to_pair_a_known_providers_key() -> None:
    assert not can_be_paired("OPENAI_API_KEY", "http://acme:1/v1")
    assert not can_be_paired("ACME_KEY", "http://user:pw@acme:1/v1")


def test_approvals_made_at_once_are_all_kept() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: remember(f"KEY_{number}", "http://acme:1"), range(16)))
    assert all(is_allowed(f"KEY_{number}", "http://acme:1") for number in range(16))


@pytest.mark.parametrize("text", ["{", "[]", '{"A": "http://a:1"}', '{"A": [1]}'])
def test_a_damaged_file_of_approvals_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / FILE).write_text(text)
    with pytest.raises(StorageError, match=r"cannot read the key addresses in .*: fix or delete"):
        is_allowed("A", "http://a:1")


def test_an_address_is_shown_without_its_path() -> None:
    assert address_of("https://A.example:443/v1/x") == "https://a.example"
    assert address_of("http://[::1]:9/v1") == "http://[::1]:9"
    with pytest.raises(UsageError, match=r"^'http://a;b' is not an address such as"):
        address_of("http://a;b")


def test_an_address_that_cannot_be_compared_is_refused_in_one_line() -> None:
    with pytest.raises(NotTrusted, match=r"write the address as https://host:port$") as refused:
        check_allowed("ACME_KEY", "http://acme\n:1")
    assert "\n" not in str(refused.value)
