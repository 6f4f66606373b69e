"""The files a reader looks into: T-Union EF15, EF16, EF17 and Lingnantong's EF15, values in and bytes out.

Layouts from CARD.md 3.1 to 3.4 and 3.8.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from ota.card import tlv
from ota.card.problems import MalformedAnswer
from ota.core.errors import InvalidValue
from ota.core.values import CardNumber, CityCode

BASIC_SFI: Final = 0x15
HOLDER_SFI: Final = 0x16
INTEROPERABILITY_SFI: Final = 0x17
CHINA: Final = bytes.fromhex("00000156")

_FCI, _DF_NAME, _PROPRIETARY, _ISSUER_DATA = 0x6F, 0x84, 0xA5, 0x9F0C


@dataclass(frozen=True, slots=True)
class Basic:
    """T-Union EF15 公共应用信息, 30 bytes. A date is None when its bytes are no day, as on a blank card."""

    issuer_id: bytes
    application_type: int
    version: int
    card_no: CardNumber
    starts: date | None
    expires: date | None
    issuer_data: bytes = b"\x00\x00"

    def __post_init__(self) -> None:
        if len(self.issuer_id) != 8 or len(self.issuer_data) != 2:
            raise InvalidValue("ef15", "an issuer id of 8 bytes and issuer data of 2")
        if not (0 <= self.application_type <= 0xFF and 0 <= self.version <= 0xFF):
            raise InvalidValue("ef15", "an application type and a version of 1 byte")

    @property
    def issuer_code(self) -> str:
        """Institution and city of the issuer, 8 digits on a well-made card."""
        return self.issuer_id[:4].hex().upper()

    def to_bytes(self) -> bytes:
        """The 30 bytes of the file."""
        head = self.issuer_id + bytes((self.application_type, self.version)) + self.card_no.serial
        return head + _date_bytes(self.starts) + _date_bytes(self.expires) + self.issuer_data

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the file; raises MalformedAnswer for another length or a card number that is none."""
        _require(len(data) == 30, "EF15", "30 bytes")
        return cls(
            issuer_id=data[0:8],
            application_type=data[8],
            version=data[9],
            card_no=_card_number(data[10:20]),
            starts=_date(data[20:24]),
            expires=_date(data[24:28]),
            issuer_data=data[28:30],
        )


@dataclass(frozen=True, slots=True)
class Interoperability:
    """T-Union EF17 互联互通信息, 60 bytes, of which readers ask for the first 11."""

    province: str
    city: CityCode
    interoperable: bool
    card_kind: int

    def __post_init__(self) -> None:
        CityCode(self.province)  # a province's clearing code has the same form: 5800
        if not 0 <= self.card_kind <= 0xFF:
            raise InvalidValue("ef17", "a card kind of 1 byte")

    def to_bytes(self) -> bytes:
        """The 60 bytes of the file; the reserved ones are filled with 20, as on the sample of CARD.md 3.4."""
        codes = bytes.fromhex(self.province + self.city.code)
        flag = b"\x00\x01" if self.interoperable else b"\x00\x00"
        return CHINA + codes + flag + bytes((self.card_kind,)) + b"\x20" * 49

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read 11 bytes or more; raises MalformedAnswer when they are fewer or the codes are no digits."""
        _require(len(data) >= 11, "EF17", "at least 11 bytes")
        try:
            return cls(
                province=data[4:6].hex(),
                city=CityCode(data[6:8].hex()),
                interoperable=data[8:10] == b"\x00\x01",
                card_kind=data[10],
            )
        except InvalidValue:
            raise MalformedAnswer("EF17", "province and city codes of 4 digits") from None


@dataclass(frozen=True, slots=True, repr=False)
class Holder:
    """T-Union EF16 持卡人信息, 55 bytes; the defaults are an anonymous card. Its repr shows nothing personal."""

    card_type: int = 0x20
    staff: int = 0x20
    name: bytes = b""
    id_number: bytes = b""
    id_type: int = 0x20

    def __post_init__(self) -> None:
        if len(self.name) > 20 or len(self.id_number) > 32:
            raise InvalidValue("ef16", "a name of up to 20 bytes and an id number of up to 32")
        if not all(0 <= value <= 0xFF for value in (self.card_type, self.staff, self.id_type)):
            raise InvalidValue("ef16", "types of 1 byte")

    def __repr__(self) -> str:
        return f"Holder(anonymous={self.is_anonymous})"

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is named."""
        return not self.name and not self.id_number

    def to_bytes(self) -> bytes:
        """The 55 bytes of the file, texts filled with spaces."""
        texts = self.name.ljust(20) + self.id_number.ljust(32)
        return bytes((self.card_type, self.staff)) + texts + bytes((self.id_type,))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the file; raises MalformedAnswer for another length. Texts stay bytes: their charset is the issuer's."""
        _require(len(data) == 55, "EF16", "55 bytes")
        return cls(data[0], data[1], data[2:22].rstrip(b" "), data[22:54].rstrip(b" "), data[54])


@dataclass(frozen=True, slots=True, repr=False)
class LingnantongBasic:
    """Lingnantong's EF15 under PAY.APPY, 88 bytes; the displayed number is the last ten digits of ``number``.

    ``opaque`` are the 13 bytes from offset 35, whose meaning is not known.
    """

    number: bytes
    issued: date | None
    expires: date | None
    area: int
    opaque: bytes

    def __post_init__(self) -> None:
        if len(self.number) != 8 or len(self.opaque) != 13 or not 0 <= self.area <= 0xFF:
            raise InvalidValue("lnt_ef15", "a number of 8 bytes, 13 opaque bytes and an area of 1")

    def __repr__(self) -> str:
        return f"LingnantongBasic(******{self.displayed_number[-4:]})"

    @property
    def displayed_number(self) -> str:
        """The ten digits that readers show."""
        return self.number[3:].hex().upper()

    def to_bytes(self) -> bytes:
        """The 88 bytes of the file."""
        issued, expires = _date_bytes(self.issued), _date_bytes(self.expires)
        head = b"\xff" * 8 + self.number + bytes.fromhex("030002FFFFFFFF") + issued + expires + issued
        return head + self.opaque + bytes((0x01, self.area)) + self.number + b"\x00" * 30

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read 58 bytes or more, since readers ask for 70 of the 88; raises MalformedAnswer when they are fewer."""
        _require(len(data) >= 58, "Lingnantong EF15", "at least 58 bytes")
        return cls(
            number=data[8:16],
            issued=_date(data[23:27]),
            expires=_date(data[27:31]),
            area=data[49],
            opaque=data[35:48],
        )


@dataclass(frozen=True, slots=True)
class Fci:
    """What SELECT tells about an application: its name and the issuer's data 9F0C, which T-Union fills with EF15."""

    df_name: bytes
    issuer_data: bytes | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read 6F/84 and 6F/A5/9F0C, the latter optional; raises MalformedAnswer."""
        elements = tlv.parse(data)
        name = tlv.find(elements, _FCI, _DF_NAME)
        if name is None:
            raise MalformedAnswer("FCI", "a DF name (84) in a template 6F")
        found = tlv.find(elements, _FCI, _PROPRIETARY, _ISSUER_DATA)
        return cls(name.value, None if found is None else found.value)


def _date_bytes(day: date | None) -> bytes:
    return bytes(4) if day is None else bytes.fromhex(f"{day.year:04}{day.month:02}{day.day:02}")


def _date(raw: bytes) -> date | None:
    digits = raw.hex()
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _card_number(serial: bytes) -> CardNumber:
    try:
        return CardNumber.from_serial(serial)
    except InvalidValue:
        raise MalformedAnswer("EF15", "a card number: a zero digit and 19 more") from None


def _require(holds: bool, what: str, expected: str) -> None:  # noqa: FBT001  reads as a claim
    if not holds:
        raise MalformedAnswer(what, expected)
