"""Secure messaging of the purse: files, keys, PIN, lock."""

from __future__ import annotations

import pytest

from ota.sandbox.element import Algorithm, Element
from ota.sandbox.element import crypto as c
from ota.sandbox.element import purse_crypto as pc
from ota.sandbox.element.keyring import Role
from tests.sandbox.element.cards import (
    APPY,
    EF15,
    TICL,
    TUNION,
    begin_load,
    key,
    lv,
    make,
    personalise,
    select,
)
from tests.sandbox.element.host import say, sw

NEW_EF15 = EF15[:18] + "02" + EF15[20:]


def challenge(element: Element) -> bytes:
    answer, status = say(element, "0084000004")
    assert (len(answer), status) == (4, "9000")
    return answer


def protected(
    element: Element,
    header: str,
    data: str,
    role: Role,
    algorithm: Algorithm = Algorithm.TDES,
    secret: bytes | None = None,
) -> str:
    """The command with its MAC, a challenge fetched just before; the status word."""
    random = challenge(element)
    message = bytes.fromhex(f"{header}{len(data) // 2 + 4:02X}{data}")
    mac = pc.command_mac(algorithm, secret or key(role, algorithm), random, message)
    return sw(element, (message + mac).hex())


def forged(element: Element, header: str, data: str = "") -> str:
    challenge(element)
    return sw(element, f"{header}{len(data) // 2 + 4:02X}{data}00000000")


@pytest.fixture
def sm4_card() -> Element:
    """A card whose purse speaks SM4 first."""
    element = personalise(make(purse_algorithm=Algorithm.SM4))
    select(element, TUNION)
    return element


def test_the_activation_command_updates_ef15_and_the_fci(card: Element) -> None:
    assert protected(card, "04D69500", NEW_EF15, Role.APP_MAINTENANCE) == "9000"

    assert say(card, "00B095001E") == (bytes.fromhex(NEW_EF15), "9000")
    assert select(card, TUNION)[0].hex().upper().endswith(NEW_EF15)


def test_sm4_protects_updates_too(sm4_card: Element) -> None:
    role, algorithm = Role.APP_MAINTENANCE, Algorithm.SM4

    assert protected(sm4_card, "04D69500", NEW_EF15, role, algorithm) == "9000"


def test_lingnantong_files_are_updated_by_the_same_key(card: Element) -> None:
    select(card, APPY)
    assert protected(card, "04D69510", "04", Role.APP_MAINTENANCE) == "9000"
    assert protected(card, "04DC0144", "11" * 22, Role.PURSE_RECORD) == "9000"

    assert say(card, "00B0951001") == (b"\x04", "9000")
    assert say(card, "00B2014416") == (b"\x11" * 22, "9000")


@pytest.mark.parametrize(
    ("header", "data", "role", "status"),
    [
        ("04D69518", "00" * 8, Role.APP_MAINTENANCE, "6B00"),
        ("04D69800", "00", Role.APP_MAINTENANCE, "6981"),
        ("04D68500", "00", Role.APP_MAINTENANCE, "6A82"),
        ("04DC01C4", "00" * 23, Role.PURSE_RECORD, "6982"),
        ("04DC01F4", "00" * 48, Role.PURSE_RECORD, "6A83"),
        ("04DC00F4", "00" * 48, Role.PURSE_RECORD, "9000"),
    ],
)
def test_updates_that_do_not_fit(card: Element, header: str, data: str, role: Role, status: str) -> None:
    assert protected(card, header, data, role) == status


def test_plain_updates_are_refused(card: Element) -> None:
    assert sw(card, "00D6950001AA") == "6982"
    assert sw(card, "00DC01F401AA") == "6982"


def test_a_challenge_is_good_for_the_next_command_only(card: Element) -> None:
    random = challenge(card)
    message = bytes.fromhex("04D6950022" + NEW_EF15)
    command = message + pc.command_mac(Algorithm.TDES, key(Role.APP_MAINTENANCE), random, message)
    sw(card, "805C000204")

    assert sw(card, command.hex()) == "6984"
    challenge(card)
    select(card, TUNION)
    assert sw(card, command.hex()) == "6984"


def test_a_command_without_a_mac_is_6987(card: Element) -> None:
    challenge(card)

    assert sw(card, "04D6950003AABBCC") == "6987"


def test_three_wrong_macs_block_the_key(card: Element) -> None:
    statuses = [forged(card, "04D69500", "AA") for _ in range(4)]

    assert statuses == ["6988", "6988", "6988", "6983"]
    assert protected(card, "04D69500", NEW_EF15, Role.APP_MAINTENANCE) == "6983"


def test_a_right_mac_gives_the_tries_back(card: Element) -> None:
    for _ in range(3):
        assert [forged(card, "04D69500", "AA") for _ in range(2)] == ["6988", "6988"]
        assert protected(card, "04D69500", NEW_EF15, Role.APP_MAINTENANCE) == "9000"


@pytest.mark.parametrize(
    ("command", "status"), [("0084000008", "9000"), ("0084000005", "6700"), ("0084", "6700")]
)
def test_challenges_are_4_or_8_bytes(card: Element, command: str, status: str) -> None:
    assert sw(card, command.ljust(8, "0") if len(command) == 4 else command) == status


def test_a_blocked_application_shows_itself_and_lends_nothing(card: Element) -> None:
    assert protected(card, "841E0000", "", Role.APP_BLOCK) == "9000"

    fci, status = select(card, TUNION)

    assert status == "6A81"
    assert fci.hex().upper().endswith(EF15)
    assert sw(card, "805000020B010000000158100000000110") == "6A81"
    assert sw(card, "805001020B01000000015810000000010F") == "6A81"
    assert sw(card, "0020000003123456") == "6A81"
    assert sw(card, "805C000204") == "9000"
    assert sw(card, "00B095001E") == "9000"


def test_a_blocked_application_is_unblocked(card: Element) -> None:
    protected(card, "841E0000", "", Role.APP_BLOCK)

    assert protected(card, "84180000", "", Role.APP_UNBLOCK) == "9000"

    assert select(card, TUNION)[1] == "9000"
    assert begin_load(card).answer


def test_three_wrong_unblocks_lock_for_good(card: Element) -> None:
    protected(card, "841E0000", "", Role.APP_BLOCK)

    assert [forged(card, "84180000") for _ in range(3)] == ["6988"] * 3

    assert protected(card, "84180000", "", Role.APP_UNBLOCK) == "9303"
    assert select(card, TUNION) == (b"", "9303")
    assert sw(card, "805000020B010000000158100000000110") == "9303"
    assert forged(card, "841E0000") == "9303"


def test_an_application_is_locked_for_good(card: Element) -> None:
    assert protected(card, "841E0001", "", Role.APP_BLOCK) == "9000"

    assert select(card, TUNION) == (b"", "9303")
    assert select(card, TICL)[1] == "9000"


@pytest.mark.parametrize("command", ["841E000204", "841E010004", "8418000104"])
def test_bad_lock_commands(card: Element, command: str) -> None:
    assert sw(card, command + "00000000") == "6A86"


def test_external_authenticate_counts_its_tries(card: Element) -> None:
    random = challenge(card)
    right = pc.authentication(Algorithm.TDES, key(Role.APP_CONTROL), random).hex()
    assert sw(card, "0082000108" + right) == "9000"
    assert sw(card, "0082000108" + right) == "6984"

    statuses = []
    for _ in range(4):
        challenge(card)
        statuses.append(sw(card, "0082000108" + "00" * 8))

    assert statuses == ["63C2", "63C1", "63C0", "6983"]


def test_external_authenticate_in_sm4(card: Element) -> None:
    random, _ = say(card, "0084000008")

    answer = pc.authentication(Algorithm.SM4, key(Role.APP_MAINTENANCE, Algorithm.SM4), random)

    assert sw(card, "0082004208" + answer.hex()) == "9000"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("0082000908" + "00" * 8, "6A88"),
        ("0082010108" + "00" * 8, "6A86"),
        ("0082000107" + "00" * 7, "6700"),
        ("0088010008" + "00" * 8, "6A86"),
        ("0088000007" + "00" * 7, "6700"),
        ("0088000008" + "00" * 8 + "04", "6C08"),
    ],
)
def test_bad_authentications(card: Element, command: str, status: str) -> None:
    assert sw(card, command) == status


def test_internal_authenticate_uses_the_tac_key(card: Element) -> None:
    data = bytes(range(8))

    answer = say(card, "0088000008" + data.hex() + "08")

    assert answer == (c.encrypt(c.des(key(Role.TAC)), data), "9000")


@pytest.mark.parametrize(
    ("place", "role"),
    [("0701", Role.LOAD), ("3900", Role.APP_CONTROL), ("5000", Role.APP_MAINTENANCE)],
)
def test_a_key_is_replaced_in_the_field(card: Element, place: str, role: Role) -> None:
    wrapping = Role.CARD_CONTROL if role is Role.APP_CONTROL else Role.APP_CONTROL
    new = bytes(range(16))
    plain = bytes.fromhex("14" + "02003300") + new + bytes.fromhex("800000")

    assert protected(card, "84D4" + place, c.encrypt(c.des(key(wrapping)), plain).hex(), wrapping) == "9000"

    if role is Role.LOAD:
        assert begin_load(card).answer[6:8] == b"\x02\x00"
    if role is Role.APP_MAINTENANCE:
        assert protected(card, "04D69500", NEW_EF15, role, secret=new) == "9000"
    if role is Role.APP_CONTROL:
        random = challenge(card)
        assert sw(card, "0082000108" + pc.authentication(Algorithm.TDES, new, random).hex()) == "9000"


def test_an_sm4_key_is_replaced_in_the_field(sm4_card: Element) -> None:
    wrapping = key(Role.APP_CONTROL, Algorithm.SM4)
    plain = (bytes.fromhex("14" + "41030400") + bytes(16) + b"\x80").ljust(32, b"\x00")
    cipher = c.encrypt(c.sm4(wrapping), plain).hex()

    assert protected(sm4_card, "84D40701", cipher, Role.APP_CONTROL, Algorithm.SM4) == "9000"

    assert begin_load(sm4_card, algorithm=Algorithm.SM4).answer[6] == 3


def test_bad_keys_are_refused(card: Element) -> None:
    assert sw(card, "84D409011C" + "00" * 28) == "6A88"
    assert sw(card, "84D4070110" + "00" * 16) == "6700"
    assert protected(card, "84D40701", "00" * 24, Role.APP_CONTROL) == "6A80"


def test_the_pin_locks_after_three_tries(card: Element) -> None:
    assert sw(card, "0020000003123456") == "9000"

    assert [sw(card, "0020000003000000") for _ in range(4)] == ["63C2", "63C1", "63C0", "6983"]
    assert sw(card, "0020000003123456") == "6983"


@pytest.mark.parametrize(("command", "status"), [("002000000112", "6700"), ("0020000103123456", "6A86")])
def test_bad_pin_commands(card: Element, command: str, status: str) -> None:
    assert sw(card, command) == status


def test_the_pin_is_changed_by_the_old_one(card: Element) -> None:
    assert sw(card, "805E010007" + "000000FF654321") == "63C2"
    assert sw(card, "805E010007" + "123456FF654321") == "9000"

    assert sw(card, "0020000003654321") == "9000"
    assert sw(card, "805E010003" + "654321") == "6A80"
    assert sw(card, "805E020003" + "654321") == "6A86"


def test_the_pin_is_reloaded_under_the_pin_key(card: Element) -> None:
    secret = key(Role.PIN)
    mac = c.cbc_mac(c.des(c.xor(secret[:8], secret[8:])), bytes.fromhex("112233"), 8)[:4].hex()

    assert sw(card, "805E000007" + "112233" + "00000000") == "6988"
    assert sw(card, "805E000007" + "112233" + mac) == "9000"

    assert sw(card, "0020000003112233") == "9000"


@pytest.mark.parametrize(
    ("p2", "pin", "status", "now"),
    [
        ("00", "123456", "9000", "123456"),
        ("00", "999999", "6A80", None),
        ("01", "999999", "9000", "999999"),
        ("01", "99", "6A80", None),
    ],
)
def test_a_blocked_pin_is_unblocked(card: Element, p2: str, pin: str, status: str, now: str | None) -> None:
    for _ in range(3):
        sw(card, "0020000003000000")
    plain = c.pad(bytes.fromhex(lv(pin)), 8)

    answer = protected(card, "842400" + p2, c.encrypt(c.des(key(Role.PIN)), plain).hex(), Role.PIN)

    assert answer == status
    assert sw(card, f"0020000003{now or '123456'}") == ("9000" if now else "6983")


def test_bad_unblocks(card: Element) -> None:
    assert sw(card, "8424000204" + "00" * 4) == "6A86"
    assert protected(card, "84240000", "00" * 16, Role.PIN) == "6700"


def test_a_pin_may_come_in_the_place_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    delivered = bytes.fromhex("888888").ljust(16, b"\xff")
    monkeypatch.setattr(
        "tests.sandbox.element.cards.key",
        lambda role, algorithm=Algorithm.TDES: delivered if role is Role.PIN else key(role, algorithm),
    )
    element = personalise(make())
    select(element, TUNION)

    assert sw(element, "0020000003888888") == "9000"


@pytest.mark.parametrize(
    ("command", "status"), [("00AA0000", "6D00"), ("80AA0000", "6D00"), ("90600000", "6E00")]
)
def test_unknown_commands(card: Element, command: str, status: str) -> None:
    assert sw(card, command) == status
