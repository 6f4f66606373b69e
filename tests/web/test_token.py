"""POST /v1/token: which proofs are accepted, and what their tokens may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from ota import wiring
from ota.core.errors import Unauthenticated
from ota.core.principal import CallerKind
from ota.core.values import CityCode, TerminalNumber
from ota.hsm_adapter.one_time_codes import one_time_code
from ota.store.second_factor import SecondFactors
from tests.web.conftest import Door
from tests.web.platform import OTP_SECRET, SetClock, TestKey


def test_a_good_assertion_buys_an_access_token(door: Door, built: wiring.Wiring) -> None:
    answer = door.ask(door.assertion(door.claims()))

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 900
    assert answer.headers["Cache-Control"] == "no-store"
    principal = built.tokens.read(answer.json["access_token"])
    assert (principal.kind, principal.id) == (CallerKind.WALLET, "wallet-1")
    assert principal.may("topup:write")
    assert not principal.may("terminal:load")


def test_a_terminals_token_is_bound_to_its_number_and_city(door: Door, built: wiring.Wiring) -> None:
    principal = built.tokens.read(door.token("gate-7"))

    assert principal.terminal == TerminalNumber("588000000007")
    assert principal.city == CityCode("5880")
    assert principal.scopes == {"terminal:load", "terminal:read"}


def test_an_assertion_is_used_up(door: Door) -> None:
    assertion = door.assertion(door.claims())
    door.ask(assertion)

    again = door.ask(assertion)

    assert again.status_code == 401
    assert again.json is not None
    assert again.json["code"] == "token_replayed"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "urn:somebody:else"}, id="for another platform"),
        pytest.param({"aud": ["urn:ota:test", "urn:somebody:else"]}, id="for several"),
        pytest.param({"sub": "wallet-2"}, id="speaks for another"),
        pytest.param({"iss": "nobody", "sub": "nobody"}, id="unknown caller"),
        pytest.param({"iss": "gone", "sub": "gone"}, id="disabled caller"),
        pytest.param({"iss": 7, "sub": 7}, id="issuer is no text"),
        pytest.param({"iss": "a\0b", "sub": "a\0b"}, id="issuer with NUL"),
        pytest.param({"jti": None}, id="no jti"),
        pytest.param({"jti": ""}, id="empty jti"),
        pytest.param({"jti": "x" * 129}, id="endless jti"),
        pytest.param({"jti": 5}, id="jti is no text"),
        pytest.param({"exp": None}, id="no exp"),
        pytest.param({"iat": None}, id="no iat"),
        pytest.param({"exp": True}, id="exp is no date"),
        pytest.param({"exp": "soon"}, id="exp is a text"),
        pytest.param({"exp": 10**30}, id="exp beyond time"),
    ],
)
def test_an_assertion_with_wrong_claims_is_refused(door: Door, changes: dict[str, Any]) -> None:
    answer = door.ask(door.assertion(door.claims(**changes)))

    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("issued", "expires", "starts", "status"),
    [
        pytest.param(0, 300, None, 200, id="as long as it may live"),
        pytest.param(0, 301, None, 401, id="lives too long"),
        pytest.param(-590, -299, None, 200, id="just within the tolerance"),
        pytest.param(-600, -300, None, 401, id="expired"),
        pytest.param(299, 400, None, 200, id="a clock that is a little fast"),
        pytest.param(301, 400, None, 401, id="from the future"),
        pytest.param(0, 100, 301, 401, id="not yet valid"),
        pytest.param(0, 100, 10, 200, id="nearly valid"),
        pytest.param(10, 5, None, 401, id="expires before it is issued"),
    ],
)
def test_dates_are_checked_with_five_minutes_of_tolerance(
    door: Door, clock: SetClock, issued: int, expires: int, starts: int | None, status: int
) -> None:
    now = int(clock.now().timestamp())
    claims = door.claims(iat=now + issued, exp=now + expires, nbf=None if starts is None else now + starts)

    answer = door.ask(door.assertion(claims))

    assert answer.status_code == status


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"jku": "https://evil.example/keys"}, id="jku"),
        pytest.param({"x5u": "https://evil.example/cert"}, id="x5u"),
        pytest.param({"jwk": {"kty": "EC"}}, id="jwk"),
        pytest.param({"crit": ["b64"], "b64": True}, id="crit"),
        pytest.param({"kid": "unknown"}, id="unknown kid"),
        pytest.param({"kid": "../../etc/passwd"}, id="kid is a path"),
        pytest.param({"typ": "at+jwt"}, id="another type"),
    ],
)
def test_a_header_with_anything_beyond_the_list_is_refused(door: Door, header: dict[str, Any]) -> None:
    answer = door.ask(door.assertion(door.claims(), **header))

    assert answer.status_code == 401


def test_no_other_algorithm_is_accepted(door: Door, keys: dict[str, TestKey]) -> None:
    secret = keys["wallet"].jwk["x"]
    confused = jwt.encode(door.claims(), secret, "HS256", headers={"kid": "k1"})
    unsigned = jwt.encode(door.claims(), "", "none", headers={"kid": "k1"})

    answers = [door.ask(confused), door.ask(unsigned)]

    assert [answer.status_code for answer in answers] == [401, 401]


def test_another_key_does_not_speak_for_the_wallet(
    client: FlaskClient, clock: SetClock, keys: dict[str, TestKey]
) -> None:
    forger = Door(client, clock, keys["stranger"])

    answer = forger.ask(forger.assertion(forger.claims()))

    assert answer.status_code == 401


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "a" * 4096, "a" * 5000, "ey.ey.ey", "\u4e2d.\u6587.x"])
def test_garbage_is_no_assertion(door: Door, text: str) -> None:
    answer = door.ask(text)

    assert answer.status_code in (400, 401)


def test_fewer_scopes_can_be_asked_for(door: Door, built: wiring.Wiring) -> None:
    principal = built.tokens.read(door.token(scope="card:read"))

    assert principal.scopes == {"card:read"}


def test_a_scope_beyond_the_callers_is_refused(door: Door) -> None:
    answer = door.ask(door.assertion(door.claims()), scope="card:read terminal:load")

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"] == "invalid_scope"


def test_staff_need_their_one_time_password_and_each_only_once(door: Door, clock: SetClock) -> None:
    code = one_time_code(OTP_SECRET, clock.now())
    assertions = [door.assertion(door.claims("clerk")) for _ in range(4)]

    answers = [
        door.ask(assertions[0]),
        door.ask(assertions[1], otp="000000" if code != "000000" else "111111"),
        door.ask(assertions[2], otp=code),
        door.ask(assertions[3], otp=code),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 200, 401]


def wrong(clock: SetClock) -> str:
    """Six digits that are none of the three codes that are good now."""
    good = {one_time_code(OTP_SECRET, clock.now() + timedelta(seconds=off)) for off in (-30, 0, 30)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in good)


def guess(door: Door, tries: int) -> list[int]:
    code = wrong(door.clock)
    return [door.ask(door.assertion(door.claims("clerk")), otp=code).status_code for _ in range(tries)]


def test_after_five_wrong_codes_none_is_looked_at_for_five_minutes(door: Door, clock: SetClock) -> None:
    guesses = guess(door, 6)
    right = door.ask(door.assertion(door.claims("clerk")), otp=one_time_code(OTP_SECRET, clock.now()))
    clock.advance(minutes=5)
    later = door.ask(door.assertion(door.claims("clerk")), otp=one_time_code(OTP_SECRET, clock.now()))

    assert guesses == [401] * 5 + [429]
    assert (right.status_code, right.headers["Retry-After"]) == (429, "300")
    assert right.json is not None
    assert (right.json["code"], right.json["error"]) == ("otp_paused", "invalid_client")
    assert later.status_code == 200


def test_after_twenty_wrong_codes_an_operator_must_look(
    door: Door, clock: SetClock, built: wiring.Wiring
) -> None:
    for _ in range(4):
        guess(door, 5)
        clock.advance(minutes=5)
    code = one_time_code(OTP_SECRET, clock.now())

    locked = door.ask(door.assertion(door.claims("clerk")), otp=code)
    SecondFactors(built.store, clock).unlock("clerk")
    unlocked = door.ask(door.assertion(door.claims("clerk")), otp=code)

    assert locked.json is not None
    assert (locked.status_code, locked.json["code"]) == (401, "otp_locked")
    assert locked.json["next_action"] == "contact_service"
    assert unlocked.status_code == 200


def test_a_forgotten_code_is_no_guess(door: Door, clock: SetClock) -> None:
    for _ in range(20):
        door.ask(door.assertion(door.claims("clerk")))

    answer = door.ask(door.assertion(door.claims("clerk")), otp=one_time_code(OTP_SECRET, clock.now()))

    assert answer.status_code == 200


def test_whoever_has_not_the_key_cannot_lock_a_clerk_out(
    client: FlaskClient, door: Door, clock: SetClock, keys: dict[str, TestKey]
) -> None:
    stranger = Door(client, clock, keys["stranger"])
    guess(stranger, 6)

    answer = door.ask(door.assertion(door.claims("clerk")), otp=one_time_code(OTP_SECRET, clock.now()))

    assert answer.status_code == 200


def test_an_access_token_ends_after_fifteen_minutes(door: Door, client: FlaskClient, clock: SetClock) -> None:
    headers = door.headers()
    clock.advance(minutes=15)

    answer = client.get("/v1/things/x", headers=headers)

    assert answer.status_code == 401


def test_a_session_token_speaks_for_one_session_and_one_element(built: wiring.Wiring) -> None:
    token = built.tokens.issue_session("ses_1", "se_9")

    principal = built.tokens.read(token)

    assert (principal.kind, principal.session_id, principal.se_id) == (CallerKind.PHONE, "ses_1", "se_9")
    assert principal.scopes == {"session:read", "session:report"}


def test_a_token_of_another_type_or_issuer_is_refused(built: wiring.Wiring) -> None:
    claims = {"iss": "urn:other", "aud": "urn:ota:test", "sub": "x", "iat": 1, "exp": 2**40, "jti": "j"}
    receipt = built.tokens.signer.sign(claims, type_="receipt+jwt")
    foreign = built.tokens.signer.sign({**claims, "se_id": "s"}, type_="session+jwt")

    for token in (receipt, foreign):
        with pytest.raises(Unauthenticated):
            built.tokens.read(token)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"grant_type": "password"}, id="another grant"),
        pytest.param({"client_assertion_type": "saml2"}, id="another assertion type"),
        pytest.param({"username": "x"}, id="unknown parameter"),
        pytest.param({"otp": "12345"}, id="short otp"),
    ],
)
def test_the_form_is_taken_strictly(door: Door, form: dict[str, str]) -> None:
    answer = door.ask(door.assertion(door.claims()), **form)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"{}", "application/json", 415, id="json"),
        pytest.param(b"", "", 415, id="nothing"),
        pytest.param(b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded", 400, id="repeated"),
        pytest.param(b"%ff%fe=%00", "application/x-www-form-urlencoded", 400, id="no text"),
    ],
)
def test_the_token_route_takes_one_form_only(
    client: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    answer = client.post("/v1/token", data=body, content_type=content_type)

    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
