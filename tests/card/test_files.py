from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.files import Basic, Fci, Holder, Interoperability, LingnantongBasic
from ota.card.problems import MalformedAnswer
from ota.core.errors import InvalidValue, OtaError
from ota.core.values import CardNumber, CityCode
from tests.outcome import outcome

EF15 = bytes.fromhex("02205810FFFFFFFF0201031048703123456789062024071520401215" + "0000")
EF17 = bytes.fromhex("000001565800581000" + "0101" + "20" * 49)
LNT_EF15 = bytes.fromhex(
    "FFFFFFFFFFFFFFFF5100001234567890030002FFFFFFFF202406212034123120240621"
    "43818801000000000000000000" + "0101" + "5100001234567890" + "00" * 30
)

days = st.none() | st.dates()


def test_the_public_information_of_a_guangzhou_card_is_read() -> None:
    basic = Basic.parse(EF15)

    assert basic.issuer_code == "02205810"
    assert (basic.application_type, basic.version) == (2, 1)
    assert basic.card_no == CardNumber("3104870312345678906")
    assert (basic.starts, basic.expires) == (date(2024, 7, 15), date(2040, 12, 15))
    assert basic.to_bytes() == EF15


@given(
    st.builds(
        Basic,
        st.binary(min_size=8, max_size=8),
        st.integers(0, 255),
        st.integers(0, 255),
        st.from_regex(r"\A[0-9]{19}\Z").map(CardNumber),
        days,
        days,
        st.binary(min_size=2, max_size=2),
    )
)
def test_every_public_information_survives_the_card(basic: Basic) -> None:
    assert Basic.parse(basic.to_bytes()) == basic


def test_a_blank_cards_dates_are_none() -> None:
    basic = Basic.parse(bytes(30))

    assert (basic.starts, basic.expires) == (None, None)


@pytest.mark.parametrize("data", [EF15[:-1], EF15 + b"\x00", b"\xff" * 30])
def test_what_is_no_public_information_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="EF15"):
        Basic.parse(data)


@pytest.mark.parametrize(
    ("issuer_id", "application_type", "version", "issuer_data"),
    [
        (bytes(7), 0, 0, bytes(2)),
        (bytes(8), 256, 0, bytes(2)),
        (bytes(8), 0, -1, bytes(2)),
        (bytes(8), 0, 0, b""),
    ],
)
def test_public_information_outside_its_fields_is_refused(
    issuer_id: bytes, application_type: int, version: int, issuer_data: bytes
) -> None:
    with pytest.raises(InvalidValue, match="ef15"):
        Basic(issuer_id, application_type, version, CardNumber("0" * 19), None, None, issuer_data)


def test_the_interoperability_of_a_guangzhou_card_is_read() -> None:
    found = Interoperability.parse(bytes.fromhex("0000015658005810000101" + "20" * 49))

    assert found == Interoperability("5800", CityCode("5810"), interoperable=True, card_kind=1)
    assert len(found.to_bytes()) == 60


def test_the_eleven_bytes_that_readers_ask_for_are_enough() -> None:
    found = Interoperability.parse(bytes.fromhex("0000015633003350000101"))

    assert (found.province, found.city) == ("3300", CityCode("3350"))


@given(
    st.builds(
        Interoperability,
        st.from_regex(r"\A[0-9]{4}\Z"),
        st.from_regex(r"\A[0-9]{4}\Z").map(CityCode),
        st.booleans(),
        st.integers(0, 255),
    )
)
def test_every_interoperability_survives_the_card(found: Interoperability) -> None:
    assert Interoperability.parse(found.to_bytes()) == found


@pytest.mark.parametrize("data", [b"", bytes(10), b"\xff" * 11])
def test_what_is_no_interoperability_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="EF17"):
        Interoperability.parse(data)


def test_a_card_kind_is_one_byte() -> None:
    with pytest.raises(InvalidValue, match="ef17"):
        Interoperability("5800", CityCode("5810"), interoperable=True, card_kind=256)


def test_an_anonymous_holder_is_blank() -> None:
    assert Holder().to_bytes() == b"\x20" * 55
    assert Holder.parse(b"\x20" * 55).is_anonymous
    assert repr(Holder()) == "Holder(anonymous=True)"


@given(st.binary(max_size=20), st.binary(max_size=32), st.integers(0, 255))
def test_every_holder_survives_the_card_and_is_never_printed(name: bytes, number: bytes, kind: int) -> None:
    holder = Holder(kind, 0, name.rstrip(b" "), number.rstrip(b" "), kind)

    assert Holder.parse(holder.to_bytes()) == holder
    assert repr(holder) == f"Holder(anonymous={holder.is_anonymous})"


@pytest.mark.parametrize("holder", [(0, 0, bytes(21)), (0, 0, b"", bytes(33)), (256,), (0, 0, b"", b"", -1)])
def test_a_holder_outside_its_fields_is_refused(holder: tuple[int, int, bytes, bytes, int]) -> None:
    with pytest.raises(InvalidValue, match="ef16"):
        Holder(*holder)


def test_what_is_no_holder_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="EF16"):
        Holder.parse(bytes(54))


def test_the_lingnantong_file_of_a_real_card_is_read() -> None:
    found = LingnantongBasic.parse(LNT_EF15)

    assert found.displayed_number == "1234567890"
    assert (found.issued, found.expires, found.area) == (date(2024, 6, 21), date(2034, 12, 31), 1)
    assert found.to_bytes() == LNT_EF15
    assert repr(found) == "LingnantongBasic(******7890)"


@pytest.mark.parametrize("length", [58, 70, 88])
def test_the_lingnantong_file_may_be_read_in_part(length: int) -> None:
    assert LingnantongBasic.parse(LNT_EF15[:length]) == LingnantongBasic.parse(LNT_EF15)


@given(
    st.builds(
        LingnantongBasic,
        st.binary(min_size=8, max_size=8),
        days,
        days,
        st.integers(0, 255),
        st.binary(min_size=13, max_size=13),
    )
)
def test_every_lingnantong_file_survives_the_card(found: LingnantongBasic) -> None:
    assert len(found.to_bytes()) == 88
    assert LingnantongBasic.parse(found.to_bytes()) == found


def test_too_little_of_the_lingnantong_file_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="Lingnantong EF15"):
        LingnantongBasic.parse(LNT_EF15[:57])


@pytest.mark.parametrize(("number", "area", "opaque"), [(7, 1, 13), (8, 256, 13), (8, 1, 12)])
def test_a_lingnantong_file_outside_its_fields_is_refused(number: int, area: int, opaque: int) -> None:
    with pytest.raises(InvalidValue, match="lnt_ef15"):
        LingnantongBasic(bytes(number), None, None, area, bytes(opaque))


def test_the_answer_to_select_tells_name_and_public_information() -> None:
    fci = Fci.parse(bytes.fromhex("6F318408A000000632010105A5259F0801029F0C1E") + EF15)

    assert fci == Fci(bytes.fromhex("A000000632010105"), EF15)


def test_lingnantongs_answer_to_select_has_a_name_only() -> None:
    assert Fci.parse(bytes.fromhex("6F0A84085041592E41505059")) == Fci(b"PAY.APPY", None)


@pytest.mark.parametrize("data", [b"", bytes.fromhex("6F00"), bytes.fromhex("84028000")])
def test_an_answer_to_select_without_a_name_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="FCI"):
        Fci.parse(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_file_or_one_of_our_errors(data: bytes) -> None:
    for kind in (Basic, Interoperability, Holder, LingnantongBasic, Fci):
        assert isinstance(outcome(kind.parse, data), (kind, OtaError))


@given(st.one_of(*(st.binary(min_size=length, max_size=length) for length in (11, 30, 55, 60, 88))))
def test_any_bytes_of_a_files_length_are_a_file_or_one_of_our_errors(data: bytes) -> None:
    for kind in (Basic, Interoperability, Holder, LingnantongBasic):
        assert isinstance(outcome(kind.parse, data), (kind, OtaError))
