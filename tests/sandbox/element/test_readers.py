"""Public card readers (CARD.md section 5), each asking exactly as it does."""

from __future__ import annotations

import pytest

from ota.sandbox.element import Element
from ota.sandbox.element.tlv import find_tlv
from tests.sandbox.element.cards import EF15, EF17, LNT_EF15, load, make, personalise, select
from tests.sandbox.element.host import say, sw

PPSE = "00A404000E325041592E5359532E4444463031"
CITY_UNION = "00A4040009A00000000386980701"
TUNION = "00A4040008A000000632010105"
APPY, TICL, SZT = ("00A4040008" + name for name in ("5041592E41505059", "5041592E5449434C", "5041592E535A54"))
LOAD_COUNTER = "805000020B010000000100000000000010"


@pytest.fixture
def used() -> Element:
    """A card that has been in use: three loads, and taken out of its reader."""
    element = personalise(make())
    select(element, "A000000632010105")
    for amount in (1000, 2000, 3000):
        load(element, amount)
    element.reset()
    return element


def records(element: Element, template: str, last: int) -> list[bytes]:
    """Read records until the first refusal."""
    found = []
    for number in range(1, last + 1):
        data, status = say(element, template.replace("nn", f"{number:02X}"))
        if status != "9000":
            break
        found.append(data)
    return found


def test_nfsee_reads_both_applications(used: Element) -> None:
    for stranger in (
        "00B0840020",
        "9060000000",
        "00A40400075041592E535A54",
        "00A40400094150312E574843544300",
    ):
        assert sw(used, stranger) != "9000"

    fci, status = say(used, APPY + "00")
    assert (find_tlv(find_tlv(fci, 0x6F) or b"", 0xA5), status) == (None, "9000")
    information, status = say(used, "00B095001E")
    assert (information[11:16].hex(), status) == ("1234567890", "9000")
    assert sw(used, TICL + "00") == "9000"
    assert int.from_bytes(say(used, "805C000204")[0], "big") % 0x80000000 == 6000
    assert len(records(used, "00B2nnC417", 10)) == 3
    assert say(used, LOAD_COUNTER)[0][4:6] == b"\x00\x03"

    assert sw(used, CITY_UNION + "00") == "6A82"
    fci, status = say(used, TUNION + "00")
    information = find_tlv(find_tlv(find_tlv(fci, 0x6F) or b"", 0xA5) or b"", 0x9F0C) or b""
    assert status == "9000"
    assert information[10:20].hex().lstrip("0") == "3104870312345678906"
    assert (information[20:24].hex(), information[24:28].hex()) == ("20240715", "20401215")
    interoperability, status = say(used, "00B097000B")
    assert status == "9000"
    assert (interoperability[4:6].hex(), interoperability[6:8].hex()) == ("5800", "5810")
    assert interoperability[10] == 1
    newest = records(used, "00B2nnC417", 10)[0]
    assert (newest[:2].hex(), int.from_bytes(newest[5:9], "big"), newest[9]) == ("0003", 3000, 2)
    assert say(used, LOAD_COUNTER)[0][4:6] == b"\x00\x03"
    assert sw(used, PPSE + "00") == "9000"


def test_metrodroid_reads_t_union(used: Element) -> None:
    assert sw(used, TUNION + "00") == "9000"
    for identifier in range(32):
        binary = sw(used, f"00B0{0x80 | identifier:02X}0000")
        record = sw(used, f"00B201{identifier << 3 | 4:02X}00")
        assert {binary, record} <= {"9000", "6981", "6986", "6A82", "6A83"}
    balances = [say(used, f"805C{p1:02X}0204") for p1 in range(4)]
    assert [(data.hex(), status) for data, status in balances] == [
        ("00001770", "9000"),
        ("00000000", "9000"),
        ("00000000", "9000"),
        ("00001770", "9000"),
    ]

    by_name = {
        name: sw(used, f"00A40000020{name}") for name in ("004", "005", "008", "009", "00A", "018", "019")
    }
    assert sw(used, "00A40000020015") == "9000"
    serial, status = say(used, "00B0000000")

    assert by_name["018"] == by_name["019"] == "9000"
    assert (serial[10:20].hex()[1:], status) == ("3104870312345678906", "9000")
    assert sw(used, "00A40000021001") == "6A82"


def test_proxmark3_reads_t_union(used: Element) -> None:
    assert sw(used, PPSE) == "9000"
    assert sw(used, TUNION) == "9000"

    assert len(records(used, "00B2nnC400", 10)) == 3
    assert records(used, "00B2nnF400", 30) == []


def test_t_union_master_reads_t_union(used: Element) -> None:
    assert sw(used, PPSE + "00") == "9000"
    fci, _ = say(used, TUNION + "00")

    information = find_tlv(find_tlv(find_tlv(fci, 0x6F) or b"", 0xA5) or b"", 0x9F0C) or b""
    assert information[2:4].hex() == "5810"
    assert information.hex() == EF15.lower()
    assert len(records(used, "00B2nnC400", 10)) == 3
    assert records(used, "00B2nnF400", 30) == []
    assert say(used, "805C000204")[0].hex() == "00001770"


def test_tu_reader_asks_for_lingnantong_first_and_the_list_last() -> None:
    element = personalise(make(ppse_restricts=True))

    assert [sw(element, name + "00") for name in (APPY, TICL, CITY_UNION, TUNION, PPSE)] == [
        "9000",
        "9000",
        "6A82",
        "9000",
        "9000",
    ]
    element.reset()

    assert sw(element, APPY + "00") == "9000"
    information, status = say(element, "00B0950046")
    assert (information.hex(), status) == (LNT_EF15[:140].lower(), "9000")
    assert information[49] == 1
    for identifier in range(1, 32):
        assert sw(element, f"00B0{0x80 | identifier:02X}0000") in ("9000", "6981", "6A82")
    statistics, status = say(element, "00B2014416")
    assert (statistics[3:5].hex(), status) == ("2407", "9000")
    assert sw(element, TICL + "00") == "9000"
    assert sw(element, "805C000204") == "9000"
    assert sw(element, "00B201C417") == "6A83"
    assert sw(element, TUNION + "00") == "9000"
    assert [sw(element, f"00B201{sfi}00") for sfi in ("C4", "F4", "CC")] == ["6A83"] * 3


def test_the_ministrys_card_reader_asks_for_four_balances(used: Element) -> None:
    assert sw(used, TUNION) == "9000"

    assert [sw(used, f"805C0{number}02") for number in range(4)] == ["9000"] * 4
    assert say(used, "00B0970000") == (bytes.fromhex(EF17), "9000")


def test_the_city_platforms_command_list_is_served(used: Element) -> None:
    answers = [
        sw(used, command)
        for command in (
            PPSE,
            TUNION,
            "805C000204",
            "00B0950000",
            "00B0960000",
            "00B0970000",
            "00B201C400",
            "0084000004",
            "805000020B01" + "00000001" + "000000000001",
            "805001020B01" + "00000001" + "000000000001",
        )
    ]

    assert answers == ["9000"] * 10
