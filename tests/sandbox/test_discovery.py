"""What a phone finds out about its element."""

from __future__ import annotations

import pytest

from ota.sandbox.discovery import ElementUnknown, Wishes, card_opening, discover, se_id_of
from ota.sandbox.element import Options
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.reader import Reader
from ota.sandbox.transport import ElementTransport
from tests.sandbox.cards import TalkativeCard, begins

CPLC = "9F7F2A" + "00" * 10 + "6182AABBCCDD0102" + "00" * 24
RECOGNITION = "660F730D060B2A864886FC6B01640906072A864886FC6B040370"


@pytest.mark.parametrize(
    ("scp", "i", "bits", "key_version", "counter"),
    [
        ("02", 0x15, 128, "20", 2),
        ("02", 0x55, 128, "20", 2),
        ("03", 0x00, 128, "30", None),
        ("03", 0x60, 192, "31", None),
        ("03", 0x70, 256, "32", 3),
    ],
)
def test_a_virtual_element_tells_everything(
    scp: str, i: int, bits: int, key_version: str, counter: int | None
) -> None:
    element = blank_element(Options(scp=scp, i=i), bits)

    found = discover(Reader(ElementTransport(element)))

    assert (found.se_id, found.scp, found.i, found.key_version) == (
        element.se_id,
        scp,
        f"{i:02X}",
        key_version,
    )
    assert (len(found.sequence) if found.sequence is not None else None) == counter


def test_the_opening_hands_over_what_was_said() -> None:
    element = blank_element(Options(scp="03", i=DEFAULT_I["03"]))

    opening = discover(Reader(ElementTransport(element))).opening()

    said = {entry["apdu"]: entry for entry in opening["precollected"]}
    assert opening["se"]["cplc"] in said["80CA9F7F00"]["data"]
    assert said["80CA00CF00"]["data"] == "CF0A" + element.se_id
    assert said["80CA00C100"]["data"] == "C103" + opening["se"]["sequence"]
    assert opening["caps"]["stop_on_sw"] is True


def test_what_is_said_by_the_caller_is_not_asked() -> None:
    card = TalkativeCard({"00A404": "9000"})
    wishes = Wishes("SE-1", "A0000001510000", "03", "60", "31", collect=False)

    found = discover(Reader(card), wishes)

    assert (found.se_id, found.sd_aid, found.scp, found.i, found.key_version, found.sequence) == (
        "SE-1",
        "A0000001510000",
        "03",
        "60",
        "31",
        None,
    )
    assert card.sent == ["80CA9F7F00", "00A4040007A000000151000000"]


@pytest.mark.parametrize(
    ("answers", "option"),
    [
        ({}, "--se-id"),
        ({"80CA9F7F": "9F7F0401020304" + "9000"}, "--se-id"),
        ({"80CA9F7F": CPLC + "9000", "00A404": "6A82"}, "--sd-aid"),
        ({"80CA9F7F": CPLC + "9000", "00A404": "9000"}, "--scp and --i"),
        ({"80CA9F7F": CPLC + "9000", "00A404": "9000", "80CA0066": "66047302AABB9000"}, "--scp and --i"),
        (
            {"80CA9F7F": CPLC + "9000", "00A404": "9000", "80CA0066": RECOGNITION[:-2] + "9000"},
            "--scp and --i",
        ),
    ],
)
def test_what_is_missing_names_the_option_that_would_help(answers: dict[str, str], option: str) -> None:
    with pytest.raises(ElementUnknown, match=option):
        discover(Reader(TalkativeCard(answers)))


def test_a_key_version_that_is_not_told_is_the_usual_one() -> None:
    answers = {"80CA9F7F": CPLC + "9000", "00A404": "9000", "80CA0066": RECOGNITION + "9000"}

    found = discover(Reader(TalkativeCard(answers)))

    assert (found.scp, found.i, found.key_version, found.se_id) == ("03", "70", "30", "00006182AABBCCDD0102")


def test_the_fci_may_tell_the_protocol_instead() -> None:
    answers = {"80CA9F7F": CPLC + "9000", "00A404": RECOGNITION + "9000", "80CA00E0": "E000" + "9000"}

    found = discover(Reader(TalkativeCard(answers)), Wishes(i="60"))

    assert (found.scp, found.i) == ("03", "60")


def test_an_element_without_production_data_goes_by_the_name_it_is_given() -> None:
    card = TalkativeCard({"00A404": RECOGNITION + "9000"})

    opening = discover(Reader(card), Wishes(se_id="SE-1")).opening()

    assert opening["se"]["se_id"] == "SE-1"
    assert "cplc" not in opening["se"]
    assert "sequence" not in opening["se"]


def test_an_elements_name_is_its_chips_date_number_and_batch() -> None:
    assert se_id_of(bytes(range(42))) == "00000A0B0C0D0E0F1011"


def test_a_card_that_is_only_loaded_needs_no_element() -> None:
    opening = card_opening()

    assert set(opening) == {"caps", "precollected"}
    assert begins([entry["apdu"] for entry in opening["precollected"]], "80") == 0
