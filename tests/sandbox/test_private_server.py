"""A platform of one's own, as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.connection import HttpConnection, Unreachable
from ota.sandbox.element import Element
from ota.sandbox.errands import PhoneUser
from ota.sandbox.phone import Phone
from ota.sandbox.private_server import ServerFailed, private_server
from ota.sandbox.reader import Reader
from ota.sandbox.transport import ElementTransport
from ota.sandbox.wallet import WalletServer
from tests.journeys.world import face_of, new_element


def test_what_one_process_began_the_next_one_finishes(tmp_path: Path) -> None:
    """The server is stopped between order and load, and everything but the data folder is gone."""
    element = new_element()

    with private_server(tmp_path / "data") as url, HttpConnection(url) as connection:
        issued = _user(connection, element).get_card("guangzhou")
    with private_server(tmp_path / "data") as url, HttpConnection(url) as connection:
        loaded = _user(connection, element).top_up(900)

    assert (issued.ok, loaded.ok) == (True, True)
    assert face_of(element).balance_fen == 900


def test_the_settings_of_whoever_starts_it_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTA_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")

    with private_server(tmp_path) as url, HttpConnection(url) as connection:
        keys = Api(connection).get_public("/.well-known/jwks.json")

    assert len(keys["keys"]) == 1
    with pytest.raises(Unreachable):
        Api(HttpConnection(url)).get_public("/healthz")


def test_a_server_that_cannot_start_leaves_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with (
        pytest.raises(ServerFailed, match=r"base\.toml"),
        private_server(tmp_path / "data", config=tmp_path / "empty"),
    ):
        pytest.fail("it started")


def test_a_server_that_says_nothing_and_will_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    monkeypatch.setattr("ota.sandbox.private_server._PROGRAM", stubborn)
    monkeypatch.setattr("ota.sandbox.private_server._STOP_PATIENCE_S", 0.2)

    with pytest.raises(ServerFailed), private_server(tmp_path):
        pytest.fail("it started")


def test_a_server_that_keeps_silent_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ota.sandbox.private_server._PROGRAM", "import time; time.sleep(60)")
    monkeypatch.setattr("ota.sandbox.private_server.PATIENCE_S", 0.2)

    with pytest.raises(ServerFailed), private_server(tmp_path):
        pytest.fail("it started")


def _user(connection: HttpConnection, element: Element) -> PhoneUser:
    api = Api(connection)
    reader = Reader(ElementTransport(element))
    return PhoneUser(reader, Phone(reader, api), WalletServer(Caller(api, credentials.wallet())))
