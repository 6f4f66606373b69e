"""From a card product and one card's values to the commands that install, personalise and read it back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Final, Protocol

from ota.card.apdu import Command
from ota.card.globalplatform import commands as gp
from ota.card.keys import Algorithm, KeyRole
from ota.card.product import Application, KeyGroup, PlainGroup, Product
from ota.core.errors import InvalidValue
from ota.core.values import CardNumber, CityCode

_MAX_BLOCKS: Final = 256
_KCV_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class CardValues:
    """What is particular to one card; the city's profile supplies all but the number and the days."""

    card_no: CardNumber
    issuer_id: bytes
    """8 bytes of EF15."""
    issuer_code: str
    """8 digits: institution and city."""
    province: str
    """Clearing code, 4 digits."""
    city: CityCode
    lnt_number: bytes = field(repr=False)
    """8 bytes of Lingnantong's EF15."""
    area: int
    issued: date
    expires: date
    load_key_versions: Mapping[Algorithm, int]
    """The versions of the load keys, as the card will state them in INITIALIZE FOR LOAD."""

    def __post_init__(self) -> None:
        CityCode(self.province)  # a province's clearing code has the same form
        if len(self.issuer_code) != 8 or not (self.issuer_code.isascii() and self.issuer_code.isdigit()):
            raise InvalidValue("issuer_code", "8 digits")
        if not all(0 <= number <= 0xFF for number in (self.area, *self.load_key_versions.values())):
            raise InvalidValue("card_values", "an area and key versions of one byte")


@dataclass(frozen=True, slots=True, repr=False)
class Grouping:
    """A data grouping (DGI) ready to be stored. Its repr shows no content: it may be a key."""

    id: bytes
    content: bytes
    enciphered: bool

    def __repr__(self) -> str:
        return f"Grouping({self.id.hex().upper()}, {len(self.content)} bytes)"

    def encode(self) -> bytes:
        """Identifier, length (1 byte up to FE, else FF and 2 bytes; GP Card Spec 2.3.1, 11.11.2.3) and content."""
        length = len(self.content)
        counted = bytes((length,)) if length < 0xFF else b"\xff" + length.to_bytes(2, "big")
        return self.id + counted + self.content


@dataclass(frozen=True, slots=True)
class KeysToFill:
    """A data grouping of keys that only the HSM adapter can fill: one exported key per role, in this order."""

    id: bytes
    algorithm: Algorithm
    roles: tuple[KeyRole, ...]


class Exported(Protocol):
    """A key enciphered for the card (16 bytes) and its check value (3 bytes)."""

    @property
    def cipher(self) -> bytes:
        """The enciphered key."""
        ...

    @property
    def kcv(self) -> bytes:
        """The key check value."""
        ...


@dataclass(frozen=True, slots=True)
class ApplicationPerso:
    """One application of a card: how it is installed and what is stored in its main instance."""

    name: str
    aid: bytes
    """The main instance's AID."""
    installs: tuple[Command, ...]
    begin: Command
    """INSTALL [for personalization]: the STORE DATA that follow go to the main instance."""
    groups: tuple[Grouping | KeysToFill, ...]


def personalisation(product: Product, values: CardValues) -> tuple[ApplicationPerso, ...]:
    """What makes a card of this product out of an empty element, application by application."""
    gaps = gaps_of(product, values)
    return tuple(_application(application, gaps) for application in product.applications)


def deletion(product: Product, values: CardValues) -> tuple[Command, ...]:
    """DELETE for every instance, in the order in which the element lets go of them."""
    gaps = gaps_of(product, values)
    aids = {instance.name: instance.aid.render(gaps) for _, instance in product.instances}
    return tuple(gp.delete(aids[name]) for name in product.delete_order)


def instance_aids(product: Product, values: CardValues) -> Mapping[str, bytes]:
    """The AID of every instance by its name in the product."""
    gaps = gaps_of(product, values)
    return {instance.name: instance.aid.render(gaps) for _, instance in product.instances}


def fill(group: KeysToFill, exported: Sequence[Exported]) -> Grouping:
    """Put exported keys into their grouping, each with its check value; raises InvalidValue for a wrong number."""
    if len(exported) != len(group.roles):
        raise InvalidValue("exported", f"{len(group.roles)} keys, one per role")
    parts = [
        _checked(key.cipher, group.algorithm.key_length) + _checked(key.kcv, _KCV_LENGTH) for key in exported
    ]
    return Grouping(group.id, b"".join(parts), enciphered=True)


def store_data(groups: Sequence[Grouping], max_data: int) -> tuple[Command, ...]:
    """STORE DATA for one instance, blocks numbered from 0, the last one marked.

    Groupings share and span blocks; an enciphered and a plain one never share (P1 speaks for the whole block).
    """
    if not 1 <= max_data <= 255:
        raise InvalidValue("max_data", "1 to 255 bytes")
    blocks = list(_blocks(groups, max_data))
    if not 1 <= len(blocks) <= _MAX_BLOCKS:
        raise InvalidValue("groups", f"1 to {_MAX_BLOCKS} blocks of data")
    last = len(blocks) - 1
    return tuple(
        gp.store_data(number, data, last=number == last, enciphered=enciphered)
        for number, (enciphered, data) in enumerate(blocks)
    )


def gaps_of(product: Product, values: CardValues) -> Mapping[str, bytes]:
    """What fills the gaps of the product's templates for this card (ota.card.template.WIDTHS)."""
    versions = values.load_key_versions
    issued, expires = _digits(values.issued), _digits(values.expires)
    return {
        "issuer_id": values.issuer_id,
        "issuer_code": bytes.fromhex(values.issuer_code),
        "province": bytes.fromhex(values.province),
        "city": bytes.fromhex(values.city.code),
        "card_serial": values.card_no.serial,
        "card_factor": values.card_no.factor,
        "lnt_number": values.lnt_number,
        "area": bytes((values.area,)),
        "issue_date": bytes.fromhex(issued),
        "issue_month": bytes.fromhex(issued[2:6]),
        "expiry_date": bytes.fromhex(expires),
        "purse_ceiling": product.purse.ceiling.to_bytes(),
        "tdes_key_version": bytes((versions.get(Algorithm.TDES, 1),)),
        "sm4_key_version": bytes((versions.get(Algorithm.SM4, 1),)),
    }


def _application(application: Application, gaps: Mapping[str, bytes]) -> ApplicationPerso:
    aid = application.main.aid.render(gaps)
    installs = tuple(
        gp.install_for_install(
            application.package,
            instance.module,
            instance.aid.render(gaps),
            privileges=instance.privileges,
            parameters=instance.parameters.render(gaps),
        )
        for instance in application.instances
    )
    groups = tuple(_group(group, gaps) for group in application.groups)
    return ApplicationPerso(application.name, aid, installs, gp.install_for_personalization(aid), groups)


def _group(group: PlainGroup | KeyGroup, gaps: Mapping[str, bytes]) -> Grouping | KeysToFill:
    if isinstance(group, KeyGroup):
        return KeysToFill(group.id, group.algorithm, group.roles)
    return Grouping(group.id, group.content.render(gaps), enciphered=False)


def _blocks(groups: Sequence[Grouping], max_data: int) -> Iterator[tuple[bool, bytes]]:
    for enciphered, run in groupby(groups, key=lambda group: group.enciphered):
        stream = b"".join(group.encode() for group in run)
        for start in range(0, len(stream), max_data):
            yield enciphered, stream[start : start + max_data]


def _checked(part: bytes, length: int) -> bytes:
    if len(part) != length:
        raise InvalidValue("exported", "a key of 16 enciphered bytes and a check value of 3")
    return part


def _digits(day: date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"
