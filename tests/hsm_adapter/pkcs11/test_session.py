"""What goes wrong with a token: found out on a real one wherever a real one can be made to do it."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pkcs11 import exceptions

from ota.card.keys import KeyRole
from ota.core.errors import NextAction
from ota.hsm_adapter.errors import HsmUnavailable, KeyUnknown
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace, session, softhsm
from ota.hsm_adapter.pkcs11 import library as library_module
from ota.hsm_adapter.pkcs11.errors import HsmPinWrong, PinUnreadable, TokenUnavailable
from ota.hsm_adapter.pkcs11.initialise import make_token
from ota.hsm_adapter.pkcs11.place import read_pin
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.thread import token_thread
from ota.hsm_adapter.pkcs11.token import MAX_KEPT, OpenToken
from tests.hsm_adapter.keyring import MASTER, PATH, a_load, card_key, expected_mac2
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master, session_of

TDES_LOAD = card_key(KeyRole.LOAD)


def nothing(_token: OpenToken) -> None:
    """Loads no keys."""


def test_a_wrong_pin_is_sent_once_and_never_again(
    place: TokenPlace, write_pin: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def typed() -> str:
        asked.append("asked")
        return "wrong-pin"

    shut = TokenSession[None](TokenPlace(place.module, place.label, typed_pin=typed), nothing)
    shut.close()

    for _ in range(3):
        with pytest.raises(HsmPinWrong) as refusal:
            shut.run(lambda _token, _keys: None)

    assert asked == ["asked"]
    assert refusal.value.problem_code == "hsm_pin_wrong"
    assert refusal.value.action is NextAction.CONTACT_SERVICE
    assert not refusal.value.may_retry
    assert "wrong-pin" not in caplog.text
    with pytest.raises(HsmPinWrong):
        Pkcs11Hsm.open(TokenPlace(place.module, place.label, write_pin("also wrong")), environment="sandbox")


def test_the_login_is_shared_by_the_sessions_of_a_process(place: TokenPlace) -> None:
    first, second = TokenSession[None](place, nothing), TokenSession[None](place, nothing)

    first.run(lambda _token, _keys: None)

    assert second.run(lambda token, _keys: len(token.session.generate_random(64))) == 8


@pytest.mark.parametrize(
    ("module", "why"),
    [("/nowhere/libtoken.so", "cannot be used"), (__file__, "cannot be used")],
    ids=["missing", "no library"],
)
def test_a_module_that_is_none_is_named(module: str, why: str, write_pin: Callable[[str], Path]) -> None:
    with pytest.raises(TokenUnavailable) as refusal:
        Pkcs11Hsm.open(TokenPlace(Path(module), "ota", write_pin("1234")), environment="sandbox")

    assert module in str(refusal.value)
    assert why in str(refusal.value)
    assert module not in refusal.value.message["en"]
    assert refusal.value.problem_code == "hsm_unavailable"


def test_a_token_that_is_not_there_is_named(place: TokenPlace) -> None:
    with pytest.raises(TokenUnavailable, match="there is no token 'another'"):
        Pkcs11Hsm.open(TokenPlace(place.module, "another", place.pin_file), environment="sandbox")


def test_two_tokens_of_one_label_are_not_chosen_from(fresh: TokenPlace) -> None:
    pins = ["--so-pin", "so-pin-1234", "--pin", "user-pin-1234"]
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--module",
        str(fresh.module),
        "--label",
        fresh.label,
    ]
    subprocess.run([*command, *pins], check=True, capture_output=True)
    shut = TokenSession[None](fresh, nothing)
    shut.close()

    with pytest.raises(TokenUnavailable, match=f"more than one token '{fresh.label}'"):
        shut.run(lambda _token, _keys: None)


def test_a_token_without_a_key_says_which(fresh: TokenPlace) -> None:
    hsm = Pkcs11Hsm.open(fresh, environment="sandbox")

    with pytest.raises(KeyUnknown, match="province/load/1/3DES"):
        hsm.authorise_load(TDES_LOAD, a_load())


def test_a_token_that_was_taken_out_is_used_again_once_it_is_back(
    provisioned: TokenPlace, caplog: pytest.LogCaptureFixture
) -> None:
    from ota.hsm_adapter.software.published import sandbox_master

    master = sandbox_master(TDES_LOAD.ref.role, TDES_LOAD.ref.algorithm)
    hsm, load = Pkcs11Hsm.open(provisioned, environment="sandbox"), a_load(master=master)
    hsm.authorise_load(TDES_LOAD, load)
    tokens = _tokens()
    away = tokens.with_name("away")

    tokens.rename(away)
    try:
        with caplog.at_level(logging.WARNING), pytest.raises(HsmUnavailable):
            hsm.authorise_load(card_key(KeyRole.LOAD, path=(*PATH, bytes(8))), load)
        health = hsm.health()
    finally:
        away.rename(tokens)

    assert not health.ok
    assert "cannot answer" in health.detail
    assert hsm.authorise_load(TDES_LOAD, load) == expected_mac2(TDES_LOAD.ref.algorithm, load, master)
    assert hsm.health().ok
    assert "opening it again" in caplog.text


def test_after_one_fault_the_work_is_done_again_on_a_fresh_session(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hsm, faults = hsm_of(place, one_master()), _stumbling(monkeypatch, 1)

    assert hsm.authorise_load(TDES_LOAD, a_load()) == expected_mac2(TDES_LOAD.ref.algorithm, a_load())
    assert faults == ["DeviceError"]


def test_after_two_faults_the_hsm_is_unavailable_and_the_next_call_may_work(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hsm = hsm_of(place, one_master())
    _stumbling(monkeypatch, 2)

    with pytest.raises(TokenUnavailable, match="DeviceError") as refusal:
        hsm.authorise_load(TDES_LOAD, a_load())

    assert refusal.value.may_retry
    assert hsm.authorise_load(TDES_LOAD, a_load()) == expected_mac2(TDES_LOAD.ref.algorithm, a_load())


@pytest.mark.parametrize(("times", "answered"), [(1, True), (2, False)])
def test_a_token_without_a_free_session_is_asked_twice(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch, times: int, answered: bool
) -> None:
    """SoftHSM has no limit; a card or network HSM has."""
    left = [exceptions.SessionCount] * times
    real = TokenSession._logged_in

    def exhausted(self: TokenSession[Any], token: Any) -> Any:
        if left:
            raise left.pop()
        return real(self, token)

    hsm = hsm_of(place, one_master())
    monkeypatch.setattr(TokenSession, "_logged_in", exhausted)

    if answered:
        hsm.check_mac1(TDES_LOAD, a_load())
    else:
        with pytest.raises(TokenUnavailable, match="SessionCount"):
            hsm.check_mac1(TDES_LOAD, a_load())


def test_a_library_that_cannot_be_started_again_is_unavailable(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hsm = hsm_of(place, one_master())
    hsm.check_mac1(TDES_LOAD, a_load())
    _stumbling(monkeypatch, 1)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv(softhsm.VARIABLE, str(tmp_path / "none.conf"))

        with pytest.raises(TokenUnavailable, match="cannot be used"):
            hsm.check_mac1(TDES_LOAD, a_load())

    hsm.check_mac1(TDES_LOAD, a_load())


def test_work_that_takes_too_long_is_given_up(place: TokenPlace) -> None:
    import time

    impatient = session_of(place, one_master(), deadline_s=0.2)
    impatient.run(lambda _token, _keys: None)

    with pytest.raises(TokenUnavailable, match="no answer within"):
        impatient.run(lambda _token, _keys: time.sleep(0.5))


def test_the_library_is_started_afresh_before_it_has_leaked_much(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "RECYCLE_AFTER", 200)
    hsm = hsm_of(place, one_master())
    library = hsm._session.library
    before, load = library.generation, a_load()

    macs = {hsm.authorise_load(TDES_LOAD, load) for _ in range(300)}

    assert macs == {expected_mac2(TDES_LOAD.ref.algorithm, load)}
    assert library.generation - before >= 2
    assert library.objects <= 200 + 5


def test_two_tokens_of_one_library_live_through_each_others_fresh_starts(
    place: TokenPlace, provisioned: TokenPlace
) -> None:
    one, other = hsm_of(place, one_master()), Pkcs11Hsm.open(provisioned, environment="sandbox")
    one.check_mac1(TDES_LOAD, a_load())

    token_thread().run(one._session.library.restart, 5)

    assert len(other.kcv(card_key(KeyRole.LOAD))) == 3
    one.check_mac1(TDES_LOAD, a_load())


def test_city_keys_stay_in_the_token_up_to_a_limit(place: TokenPlace) -> None:
    hsm = hsm_of(place, one_master())
    cities = [(number.to_bytes(8, "big"), PATH[1]) for number in range(MAX_KEPT + 3)]

    for path in cities:
        hsm.kcv(card_key(KeyRole.SPARE, path=path))
    load = a_load(path=cities[0])

    assert hsm._session.run(lambda token, _: len(token._kept)) == MAX_KEPT
    assert hsm.authorise_load(card_key(KeyRole.LOAD, path=cities[0]), load) == expected_mac2(
        TDES_LOAD.ref.algorithm, load, path=cities[0]
    )


def test_a_master_that_a_channel_uses_itself_is_not_thrown_away_with_it(place: TokenPlace) -> None:
    session_ = session_of(place, one_master(), wrapping=True)

    def work(token: OpenToken, masters: Any) -> tuple[int, int]:
        master = masters.get(TDES_LOAD.ref).handle
        token.kept("a name", lambda: (master,))
        kept, owned = token._kept["a name"]
        return len(kept), len(owned)

    assert session_.run(work) == (1, 0)


def test_a_handle_tells_nothing(place: TokenPlace) -> None:
    session_ = session_of(place, one_master())

    told = session_.run(lambda _token, masters: f"{masters.get(TDES_LOAD.ref).handle!r} {masters!r}")

    assert told == "Handle() Masters(16 keys)"
    assert MASTER.hex() not in told


def test_nothing_is_said_of_the_pin_but_what_is_wrong_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "pin"

    with pytest.raises(PinUnreadable, match="FileNotFoundError"):
        read_pin(file)
    file.write_bytes(b"\xff\xfe")
    file.chmod(0o600)
    with pytest.raises(PinUnreadable, match="UnicodeDecodeError"):
        read_pin(file)
    file.write_text("\nsecond line")
    with pytest.raises(PinUnreadable, match="is empty"):
        read_pin(file)
    file.write_text("  1234 \nsecond line")
    assert read_pin(file) == "1234"
    file.chmod(0o640)
    with pytest.raises(PinUnreadable, match="mode 0600 expected"):
        read_pin(file)
    with pytest.raises(PinUnreadable, match="no file is named"):
        TokenPlace(Path("module"), "token").pin()


def test_a_made_token_is_not_made_again(fresh: TokenPlace) -> None:
    from ota.hsm_adapter.pkcs11.errors import TokenExists

    with pytest.raises(TokenExists):
        make_token(fresh.module, fresh.label, "officer-1", "user-1234")


def _tokens() -> Path:
    configuration = Path(os.environ[softhsm.VARIABLE]).read_text(encoding="utf-8")
    return Path(configuration.split("directories.tokendir =")[1].splitlines()[0].strip())


def _stumbling(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Let the token fail the next calls that derive, as a device does that was unplugged for a moment."""
    faults: list[str] = []
    real = OpenToken._derived

    def derived(token: OpenToken, *arguments: Any) -> Any:
        if len(faults) < times:
            faults.append("DeviceError")
            raise exceptions.DeviceError
        return real(token, *arguments)

    monkeypatch.setattr(OpenToken, "_derived", derived)
    assert session.DEADLINE_S == 5.0
    return faults
