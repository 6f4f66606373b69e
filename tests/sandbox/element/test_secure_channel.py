from __future__ import annotations

from typing import Any

import pytest

from ota.sandbox.element import Element
from ota.sandbox.element import crypto as c
from tests.sandbox.element.cards import LINGNANTONG, TUNION, install, make, personalise
from tests.sandbox.element.host import (
    HOST_CHALLENGE,
    derive,
    initialize,
    open_channel,
    say,
    split,
    sw,
    wide,
)

SCP02 = [{"scp": "02", "i": 0x15}, {"scp": "02", "i": 0x55}]
KEY_VERSIONS = {"02": "20", "128": "30", "192": "31", "256": "32"}


def variants() -> list[tuple[dict[str, Any], int, int]]:
    """Every protocol option, key length and security level that exists together."""
    found: list[tuple[dict[str, Any], int, int]] = [(o, 128, level) for o in SCP02 for level in (0, 1, 3)]
    for i in (0x00, 0x10, 0x60, 0x70):
        levels = (0, 1, 3, 0x11, 0x13, 0x33) if i & 0x60 else (0, 1, 3)
        found += [({"i": i}, bits, level) for bits in (128, 192, 256) for level in levels]
    return found


@pytest.mark.parametrize(("options", "bits", "level"), variants())
def test_a_card_is_personalised_through_every_kind_of_channel(
    options: dict[str, Any], bits: int, level: int
) -> None:
    element = personalise(make(bits, **options), level)

    answer, status = say(element, "00A4040008A000000632010105")

    assert status == "9000"
    assert TUNION.lower() in answer.hex()


@pytest.mark.parametrize("which", [0, 1])
def test_both_security_domains_open(blank: Element, which: int) -> None:
    channel = open_channel(blank, blank.security_domains[which], 0x33)

    assert channel.send("80F28002024F0000")[1] == "9000"


@pytest.mark.parametrize("options", [{"scp": "02", "i": 0x55}, {"i": 0x10}, {"i": 0x70}])
def test_a_pseudo_random_challenge_is_known_before_the_card_is_asked(options: dict[str, Any]) -> None:
    element = make(**options)
    ours = element.security_domains[1]
    sw(element, "00A4040008D156000158534400")
    counter = say(element, "80CA00C100")[0][2:]

    answer = initialize(element, ours)

    if element.options.scp == "02":
        data = b"\x01\x01" + counter + bytes(12)
        mac_key = c.encrypt(c.des(ours.keys.mac), data, bytes(8))
        assert answer[12:20] == counter + c.retail_mac(mac_key, ours.aid)[:6]
    else:
        following = (int.from_bytes(counter, "big") + 1).to_bytes(3, "big")
        assert answer[13:21] == wide(ours.keys.enc, 2, 64, following + ours.aid)
        assert answer[29:] == following


@pytest.mark.parametrize("options", [{"scp": "02", "i": 0x15}, {"i": 0x00}, {"i": 0x60}])
def test_a_random_challenge_is_new_each_time(options: dict[str, Any]) -> None:
    element = make(**options)

    answers = {initialize(element, element.security_domains[1])[13:20] for _ in range(3)}

    assert len(answers) == 3


def test_scp02_counts_only_sessions_that_were_opened() -> None:
    element = make(scp="02", i=0x55)
    ours = element.security_domains[1]

    first, repeated = initialize(element, ours), initialize(element, ours)
    open_channel(element, ours)

    assert first == repeated
    assert initialize(element, ours)[12:14] == b"\x00\x01"


def test_scp03_spends_a_counter_with_every_challenge() -> None:
    element = make(i=0x70)
    ours = element.security_domains[1]

    counters = [initialize(element, ours)[29:].hex() for _ in range(3)]

    assert counters == ["000001", "000002", "000003"]


@pytest.mark.parametrize(("options", "sequence"), [({"scp": "02", "i": 0x15}, 0xFFFF), ({}, 0xFFFFFE)])
def test_a_spent_counter_closes_the_domain(options: dict[str, Any], sequence: int) -> None:
    element = make(sequence=sequence, **options)
    ours = element.security_domains[1]
    open_channel(element, ours)

    assert sw(element, "00A4040008D156000158534400") == "9000"
    assert sw(element, "8050000008" + "00" * 8) == "6985"


def test_a_wrong_cryptogram_is_6300_and_the_session_is_gone(blank: Element) -> None:
    ours = blank.security_domains[1]
    channel, authenticate = derive(blank, ours, 1, initialize(blank, ours))
    head = authenticate[:5] + bytes(8)
    forged = head + c.cmac(channel.mac, bytes(16) + head)[:8]

    assert split(blank.transmit(forged)) == (b"", "6300")
    assert split(blank.transmit(authenticate)) == (b"", "6985")


@pytest.mark.parametrize("options", [{"scp": "02", "i": 0x15}, {}])
def test_a_wrong_mac_on_external_authenticate_is_6982(options: dict[str, Any]) -> None:
    element = make(**options)
    ours = element.security_domains[1]
    _, authenticate = derive(element, ours, 1, initialize(element, ours))

    assert split(element.transmit(authenticate[:-1] + b"\x00"))[1] == "6982"


def test_failed_authentications_lock_the_domain_for_good() -> None:
    element = make(failed_authentications=2)
    ours = element.security_domains[1]
    for _ in range(2):
        _, authenticate = derive(element, ours, 1, initialize(element, ours))
        element.transmit(authenticate[:-1] + b"\x00")

    element.reset()

    assert sw(element, "00A4040008D156000158534400") == "9000"
    assert sw(element, "8050000008" + HOST_CHALLENGE.hex()) == "6983"
    open_channel(element, element.security_domains[0])


def test_a_success_forgives_failures() -> None:
    element = make(failed_authentications=2)
    ours = element.security_domains[1]
    for _ in range(3):
        _, authenticate = derive(element, ours, 1, initialize(element, ours))
        assert split(element.transmit(authenticate[:-1] + b"\x00"))[1] == "6982"
        open_channel(element, ours)

    assert open_channel(element, ours).send("80F28002024F0000")[1] == "9000"


@pytest.mark.parametrize("options", [{"scp": "02", "i": 0x15}, {}])
@pytest.mark.parametrize("level", [1, 3])
def test_a_command_with_a_wrong_mac_ends_the_session(options: dict[str, Any], level: int) -> None:
    element = make(**options)
    channel = open_channel(element, element.security_domains[1], level)
    wrapped = channel.wrap(bytes.fromhex("80F24002024F0000"))

    assert split(element.transmit(wrapped[:-2] + bytes((wrapped[-2] ^ 1, 0))))[1] == "6982"
    assert channel.send("80F24002024F0000")[1] == "6982"


def test_an_unprotected_command_ends_the_session(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[1])

    assert sw(blank, "80F24002024F0000") == "6982"
    assert channel.send("80F24002024F0000")[1] == "6982"


@pytest.mark.parametrize("broken", ["84F24002020000", "84F2400200", "84F2400208" + "00" * 8])
def test_a_command_without_a_proper_mac_is_refused(blank: Element, broken: str) -> None:
    open_channel(blank, blank.security_domains[1], 3)

    assert sw(blank, broken) in ("6982", "6700")


@pytest.mark.parametrize("options", [{"scp": "02", "i": 0x15}, {}])
@pytest.mark.parametrize("length", [5, 16])
def test_ciphertext_that_does_not_decipher_is_refused(options: dict[str, Any], length: int) -> None:
    element = make(**options)
    channel = open_channel(element, element.security_domains[1], 3)
    channel.level = 1  # MAC right, data not enciphered

    assert channel.send("80F24002" + f"{length:02X}" + "00" * length)[1] == "6982"


def test_level_00_takes_plain_commands_and_no_protected_one(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[1], 0)

    assert channel.send("80F28002024F0000")[1] == "9000"
    assert sw(blank, "84F28002084F00000000000000") in ("6882", "6700")


@pytest.mark.parametrize(
    ("options", "level"),
    [({"scp": "02", "i": 0x15}, 0x11), ({"i": 0x00}, 0x13), ({"i": 0x10}, 0x33), ({"i": 0x70}, 0x02)],
)
def test_a_level_that_the_card_cannot_do_is_refused(options: dict[str, Any], level: int) -> None:
    element = make(**options)
    ours = element.security_domains[1]
    _, authenticate = derive(element, ours, level, initialize(element, ours))

    assert split(element.transmit(authenticate))[1] == "6A86"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("8050000007" + "00" * 7, "6700"),
        ("8050300008" + "00" * 8, "9000"),
        ("8050990008" + "00" * 8, "6A88"),
        ("8050000108" + "00" * 8, "6A86"),
        ("8450000008" + "00" * 8, "6E00"),
        ("8482010010" + "00" * 16, "6985"),
        ("80F28002024F00", "6982"),
        ("84F2800208" + "00" * 8, "6982"),
        ("80AA000000", "6D00"),
        ("00B0950000", "6E00"),
    ],
)
def test_commands_outside_a_session(blank: Element, command: str, status: str) -> None:
    assert sw(blank, command) == status


def test_external_authenticate_must_be_protected_and_16_bytes(blank: Element) -> None:
    ours = blank.security_domains[1]
    initialize(blank, ours)
    assert sw(blank, "8082010010" + "00" * 16) == "6982"

    initialize(blank, ours)
    assert sw(blank, "8482010008" + "00" * 8) == "6700"


def test_selecting_anything_ends_the_session(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[1])

    assert sw(blank, "00A4040008D156000158534400") == "9000"

    assert channel.send("80F24002024F0000")[1] == "6982"


def test_a_power_cut_ends_the_session(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[1])

    blank.reset()

    assert channel.send("80F24002024F0000")[1] == "6982"


def test_an_error_inside_the_session_carries_no_mac_and_keeps_it(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[1], 0x33)

    assert channel.send("80E400000A4F08A00000000000000000") == (b"", "6A88")
    assert install(channel, TUNION) == "9000"
    assert install(channel, LINGNANTONG) == "9000"
