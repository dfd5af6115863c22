import asyncio
import os
import socket

import httpx
import pytest

from moagraph.nodes.storage.data_dir import data_folder
from tests.guard import LiveCall, guarded
from tests.provider import Provider


def test_another_machine_cannot_be_reached(no_live_call: list[str]) -> None:
    with socket.socket() as sock, pytest.raises(LiveCall, match=r"93\.184"):
        sock.connect(("93.184.216.34", 80))
    assert no_live_call == ["93.184.216.34"]
    no_live_call.clear()


def test_not_even_a_name_is_looked_up(no_live_call: list[str]) -> None:
    with pytest.raises(LiveCall, match=r"api\.openai\.com"):
        httpx.get("https://api.openai.com/v1/models", trust_env=False)
    with pytest.raises(LiveCall, match=r"api\.openai\.com"):
        asyncio.run(_get("https://api.openai.com/v1/models"))
    assert no_live_call == ["api.openai.com"] * 2
    no_live_call.clear()


async def _get(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url)


def test_a_swallowed_call_is_known_all_the_same(no_live_call: list[str]) -> None:
    with guarded() as refused:
        try:
            socket.create_connection(("1.1.1.1", 443))
        except Exception:
            assert refused == ["1.1.1.1"]
    no_live_call.clear()


def test_this_machine_can_be_reached() -> None:
    with Provider() as provider:
        assert httpx.get(f"{provider.base_url}/models").status_code == 200


@pytest.mark.registry
def test_the_package_index_is_let_through_where_a_test_says_so(no_live_call: list[str]) -> None:
    with socket.socket() as sock:
        sock.settimeout(0)
        with pytest.raises(OSError, match=r"."):
            sock.connect(("192.0.2.1", 9))  # an address that no machine has
    assert no_live_call == []


def test_no_key_of_the_person_is_seen_and_the_data_folder_is_new() -> None:
    seen = [name for name in os.environ if name.endswith("_API_KEY")]
    assert [name for name in seen if name.startswith(("TOGETHER", "OPENAI", "LANG"))] == []
    assert list(data_folder().iterdir()) == []


def test_checkpoints_refuse_types_that_are_not_ours() -> None:
    from langgraph.checkpoint.serde import _msgpack

    assert _msgpack.STRICT_MSGPACK_ENABLED
