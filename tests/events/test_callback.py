"""The one way to a wallet's server: to the address that is registered, signed by the platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.events.callback import Callbacks, Unheard
from ota.hsm_adapter.signing import Es256Signer
from ota.sandbox.callback_server import CallbackServer, Posted, listening
from tests.web.platform import SetClock

PLATFORM = "urn:ota:test"


def callbacks(address: str | None, folder: Path) -> Callbacks:
    return Callbacks(lambda _caller: address, Es256Signer.open(folder), SetClock(), PLATFORM)


def test_claims_arrive_signed_for_this_wallet(tmp_path: Path) -> None:
    heard: list[Posted] = []

    def take(posted: Posted) -> tuple[int, bytes]:
        heard.append(posted)
        return 204, b""

    with listening(CallbackServer(take)) as address:
        answer = callbacks(f"{address}/ota", tmp_path).post(
            "wallet", "/events", "event", "event+jwt", {"n": 1}
        )

    (posted,) = heard
    claims = Es256Signer.open(tmp_path).verify(
        posted.body["event"], type_="event+jwt", audience="wallet", required=["iss", "aud", "iat", "n"]
    )
    assert answer == (204, b"")
    assert posted.path == "/ota/events"
    assert (claims["iss"], claims["n"]) == (PLATFORM, 1)


@pytest.mark.parametrize(
    "address",
    [
        None,
        "http://wallet.example/ota",  # plain HTTP leaves this machine
        "https://127.0.0.1:9",  # nobody listens
        "https://127.0.0.1:99999",
        "https://a..example",
    ],
)
def test_nothing_is_sent_elsewhere(address: str | None, tmp_path: Path) -> None:
    with pytest.raises(Unheard):
        callbacks(address, tmp_path).post("wallet", "/events", "event", "event+jwt", {})


def test_an_answer_that_is_too_long_is_none(tmp_path: Path) -> None:
    with (
        listening(CallbackServer(lambda _posted: (200, b" " * 70_000))) as address,
        pytest.raises(Unheard, match="HTTPException"),
    ):
        callbacks(address, tmp_path).post("wallet", "/events", "event", "event+jwt", {})
