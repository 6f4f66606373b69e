from __future__ import annotations

from typing import Any

import pytest

from ota.sandbox.element import Element
from ota.sandbox.element.tlv import find_tlv, read_tlvs
from tests.sandbox.element.cards import PACKAGE, TUNION, lv, make
from tests.sandbox.element.host import open_channel, say, sw


def test_cplc_is_42_bytes_and_holds_the_diversification_data(blank: Element) -> None:
    answer, status = say(blank, "80CA9F7F00")

    assert status == "9000"
    assert answer[:3].hex() == "9f7f2a"
    assert len(answer) == 45
    assert answer == blank.cplc
    assert bytes.fromhex(blank.se_id)[2:] == answer[13:21]


@pytest.mark.parametrize(
    ("options", "protocol"),
    [({"scp": "02", "i": 0x15}, "0215"), ({"scp": "02", "i": 0x55}, "0255"), ({"i": 0x60}, "0360")],
)
def test_card_data_name_the_protocol(options: dict[str, Any], protocol: str) -> None:
    answer, status = say(make(**options), "80CA006600")

    assert status == "9000"
    assert answer.hex().endswith("640b06092a864886fc6b04" + protocol)
    assert "2a864886fc6b02020301" in answer.hex()


def test_the_counter_can_be_asked_for() -> None:
    assert say(make(sequence=0x2A), "80CA00C100") == (bytes.fromhex("C10300002A"), "9000")
    assert say(make(scp="02", i=0x55, sequence=7), "80CA00C100") == (bytes.fromhex("C1020007"), "9000")


def test_scp03_with_random_challenges_has_no_counter() -> None:
    assert say(make(i=0x60), "80CA00C100") == (b"", "6A88")


@pytest.mark.parametrize(
    ("options", "bits", "entries"),
    [
        ({"scp": "02", "i": 0x15}, 128, "C00401208010C00402208010C00403208010"),
        ({}, 192, "C00401318818C00402318818C00403318818"),
    ],
)
def test_key_information_tells_version_type_and_length(
    options: dict[str, Any], bits: int, entries: str
) -> None:
    answer, _ = say(make(bits, **options), "80CA00E000")

    assert answer.hex().upper() == "E012" + entries


def test_diversification_data_can_be_asked_for(blank: Element) -> None:
    assert say(blank, "80CA00CF00") == (b"\xcf\x0a" + bytes.fromhex(blank.se_id), "9000")


def test_unknown_data_objects_are_6a88(blank: Element) -> None:
    assert [sw(blank, f"80CA{tag}00") for tag in ("0042", "0045", "2F00")] == ["6A88"] * 3


def test_stored_data_objects_can_be_read(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[0])

    assert channel.send("80E280000B" + "420431048703" + "4503112233")[1] == "9000"
    assert channel.send("80CA004200") == (bytes.fromhex("420431048703"), "9000")
    assert channel.send("80E28000034401FF")[1] == "6A88"


def test_get_data_works_inside_a_session(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[1], 0x33)

    assert channel.send("80CA9F7F00") == (blank.cplc, "9000")


def test_select_of_a_domain_answers_its_name(blank: Element) -> None:
    answer, status = say(blank, "00A4040008D15600015853440000")

    fci = find_tlv(answer, 0x6F) or b""
    assert status == "9000"
    assert find_tlv(fci, 0x84) == blank.security_domains[1].aid
    assert find_tlv(find_tlv(fci, 0xA5) or b"", 0x9F65) == b"\xff"


def test_status_of_the_issuer_domain(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[0])

    plain, status = channel.send("80F28000024F0000")
    tagged, _ = channel.send("80F28002024F0000")

    assert (plain.hex().upper(), status) == ("08A0000001510000000F9E", "9000")
    assert tagged.hex().upper() == "E313" + "4F08A000000151000000" + "9F70010F" + "C5039EFE80"


def test_status_of_applications_can_be_filtered(card: Element) -> None:
    channel = open_channel(card, card.security_domains[1])

    answer, status = channel.send("80F24002" + lv("4F05A000000632") + "00")

    (entry,) = [value for _, value in read_tlvs(answer)]
    assert status == "9000"
    assert find_tlv(entry, 0x4F) == bytes.fromhex(TUNION)
    assert find_tlv(entry, 0x9F70) == b"\x0f"
    assert find_tlv(entry, 0xC4) == bytes.fromhex(PACKAGE)
    assert find_tlv(entry, 0xCC) == card.security_domains[1].aid


@pytest.mark.parametrize("level", [1, 0x33])
def test_status_comes_in_pages(card: Element, level: int) -> None:
    channel = open_channel(card, card.security_domains[1], level)

    first, more = channel.send("80F24002024F0000")
    second, last = channel.send("80F24003024F0000")

    assert (more, last) == ("6310", "9000")
    entries = [find_tlv(value, 0x4F) for _, value in read_tlvs(first + second)]
    assert len(set(entries)) == 6
    assert channel.send("80F24003024F0000")[1] == "6A88"


def test_a_locked_application_shows_it_in_its_status(card: Element) -> None:
    channel = open_channel(card, card.security_domains[1])
    channel.send("80F04080" + lv(TUNION))

    answer, _ = channel.send("80F24000" + lv("4F05A000000632") + "00")

    assert answer.hex().upper() == "10" + TUNION + "8F" + "00"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("80F22000024F0000", "09" + PACKAGE + "0100"),
        ("80F21000024F0000", "09" + PACKAGE + "0100" + "03" + "".join(f"0A{PACKAGE}0{n}" for n in "123")),
        ("80F22002024F0000", "E3194F09" + PACKAGE + "9F700101CC08A000000151000000"),
    ],
)
def test_status_of_packages(blank: Element, command: str, answer: str) -> None:
    channel = open_channel(blank, blank.security_domains[0])

    assert channel.send(command) == (bytes.fromhex(answer), "9000")


def test_status_of_packages_with_their_modules(blank: Element) -> None:
    channel = open_channel(blank, blank.security_domains[0])

    answer, _ = channel.send("80F21002024F0000")

    modules = [value for tag, value in read_tlvs(find_tlv(answer, 0xE3) or b"") if tag == 0x84]
    assert [module.hex().upper() for module in modules] == [f"{PACKAGE}0{n}" for n in "123"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80F24002034F01B000", "6A88"),
        ("80F24004024F0000", "6A86"),
        ("80F20102024F0000", "6A86"),
        ("80F2400202500000", "6A80"),
        ("80F24002024F0500", "6A80"),
        ("80F24002021F0000", "6A80"),
        ("80F24002031F810000", "6A80"),
        ("80F24002014F00", "6A80"),
        ("80F24002034F81FF00", "6A80"),
        ("80F24002034F830000", "6A80"),
    ],
)
def test_status_refuses_bad_questions(blank: Element, command: str, status: str) -> None:
    channel = open_channel(blank, blank.security_domains[1])

    assert channel.send(command)[1] == status
