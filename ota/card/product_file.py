"""Reads card products from config/cards: one TOML file each, checked so that a mistake shows at start."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ota.card import tlv
from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.card.problems import MalformedAnswer
from ota.card.product import (
    Application,
    Group,
    Instance,
    KeyGroup,
    PlainGroup,
    Product,
    ProveMode,
    Purse,
    PurseSharing,
    Reading,
    Title,
)
from ota.card.status import StatusPattern
from ota.card.template import WIDTHS, Template
from ota.core.configuration import ConfigurationError, Table
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, Fen

_NAME: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_SAMPLE: Final = MappingProxyType({name: bytes(width) for name, width in WIDTHS.items()})
_CARD_ALGORITHMS: Final = (Algorithm.TDES, Algorithm.SM4)


def load_products(folder: Path) -> Mapping[str, Product]:
    """Every product of a folder by its name; raises ConfigurationError, also when the folder holds none."""
    products = {file.stem: load_product(file) for file in sorted(folder.glob("*.toml"))}
    if not products:
        raise ConfigurationError(str(folder), "*.toml", "at least one card product")
    return MappingProxyType(products)


def load_product(file: Path) -> Product:
    """Read one product; raises ConfigurationError naming file, key and what was expected."""
    return read_product(file.stem, Table.load(file))


def read_product(name: str, table: Table) -> Product:
    """The product of a file that has been opened; `name` is the file's own. Raises ConfigurationError."""
    purse = _purse(table.table("purse"))
    applications = _applications(table, purse.sharing)
    product = Product(
        name=name,
        title=_title(table.table("name")),
        minimum_level=table.integer("minimum_level", 1, low=1, high=0x33),
        max_store_data=table.integer("max_store_data", 239, low=16, high=239),
        validity_years=table.integer("validity_years", low=1, high=50),
        purse=purse,
        applications=applications,
        delete_order=table.texts("delete_order"),
        readings=tuple(_reading(each, applications) for each in table.tables("readings", at_least=1)),
    )
    table.finish()
    names = [instance.name for _, instance in product.instances]
    _unique(table, "applications", names)
    if sorted(product.delete_order) != sorted(names):
        raise table.error("delete_order", "each of " + ", ".join(names) + " once")
    return product


def _title(table: Table) -> Title:
    return Title(english=table.text("en"), chinese=table.text("zh"))


def _purse(table: Table) -> Purse:
    return Purse(
        sharing=table.choice("sharing", PurseSharing, PurseSharing.SHARED),
        select=_aid(table, "select"),
        key_index=table.integer("key_index", 1, high=0xFF),
        algorithms=_algorithms(table.table("algorithms")),
        ceiling=Fen(table.integer("ceiling_fen", low=1, high=MAX_FEN)),
        log_files=_log_files(table),
        prove=table.choice("transaction_prove", ProveMode, ProveMode.BOTH),
        pin=table.text("pin", pattern=r"(?:[0-9]{2}){2,6}", expected="4 to 12 digits, an even number of them")
        if table.has("pin")
        else None,
    )


def _algorithms(table: Table) -> Mapping[int, Algorithm]:
    found: dict[int, Algorithm] = {}
    for key in table.keys():  # noqa: SIM118  a Table is no dict
        algorithm = table.choice(key, Algorithm)
        if algorithm not in _CARD_ALGORITHMS or len(key) != 2 or not set(key) <= set("0123456789ABCDEF"):
            raise table.error(key, "an identifier of two hex digits with '3DES' or 'SM4'")
        found[int(key, 16)] = algorithm
    if not found:
        raise ConfigurationError(table.file, table.path, "at least one algorithm identifier")
    return MappingProxyType(found)


def _log_files(table: Table) -> tuple[int, ...]:
    files = table.integers("log_files")
    if not files or not all(1 <= sfi <= 31 for sfi in files):
        raise table.error("log_files", "short file identifiers, 1 to 31")
    return files


def _applications(table: Table, sharing: PurseSharing) -> tuple[Application, ...]:
    applications = tuple(_application(each, sharing) for each in table.tables("applications", at_least=1))
    _unique(table, "applications", [application.name for application in applications])
    return applications


def _application(table: Table, sharing: PurseSharing) -> Application:
    # What is for the other kind of purse is read as well, so that its mistakes show before somebody turns to it.
    instances = tuple(
        instance
        for instance, counts in [
            (_instance(each), _applies(each, sharing)) for each in table.tables("instances")
        ]
        if counts
    )
    groups = tuple(
        group
        for group, counts in [(_group(each), _applies(each, sharing)) for each in table.tables("groups")]
        if counts
    )
    if not instances:
        raise table.error("instances", f"at least one instance for a purse that is {sharing}")
    _unique(table, "groups", [group.id.hex().upper() for group in groups])
    return Application(
        name=table.text("name", pattern=_NAME, expected="a name of lower-case letters, digits and -"),
        title=_title(table.table("title")),
        package=table.hexadecimal("package", low=5, high=16),
        instances=instances,
        groups=groups,
    )


def _applies(table: Table, sharing: PurseSharing) -> bool:
    """Whether an entry counts: one that names a purse counts only when the purse is that way."""
    return not table.has("purse") or table.choice("purse", PurseSharing) is sharing


def _instance(table: Table) -> Instance:
    parameters = table.parsed("install_parameters", Template.parse)
    try:
        tlv.parse(parameters.render(_SAMPLE))
    except MalformedAnswer as error:
        raise table.error("install_parameters", f"BER-TLV: {error.details['expected']}") from error
    return Instance(
        name=table.text("name", pattern=_NAME, expected="a name of lower-case letters, digits and -"),
        aid=_aid(table, "aid"),
        module=table.hexadecimal("module", low=5, high=16),
        privileges=table.hexadecimal("privileges", b"\x00", low=1, high=3),
        parameters=parameters,
    )


def _group(table: Table) -> Group:
    group_id = table.hexadecimal("id", low=2, high=2)
    if table.has("keys"):
        return KeyGroup(group_id, _card_algorithm(table), _roles(table))
    content = table.parsed("content", Template.parse)
    length = table.integer("length", high=0xFFFF)
    if content.length != length:
        raise table.error("content", f"{length} bytes, as its length says (it has {content.length})")
    return PlainGroup(group_id, content)


def _card_algorithm(table: Table) -> Algorithm:
    algorithm = table.choice("algorithm", Algorithm)
    if algorithm not in _CARD_ALGORITHMS:
        raise table.error("algorithm", "'3DES' or 'SM4'")
    return algorithm


def _roles(table: Table) -> tuple[KeyRole, ...]:
    roles = table.texts("keys")
    known = [str(role) for role in KeyRole if not role.startswith(("sd_", "transport"))]
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(known):
        raise table.error("keys", "different roles out of " + ", ".join(known))
    return tuple(KeyRole(role) for role in roles)


def _reading(table: Table, applications: tuple[Application, ...]) -> Reading:
    expected = _expected(table, applications)
    return Reading(
        name=table.text("name"),
        command=_command(table),
        status=table.parsed("status", StatusPattern, "9000"),
        path=tuple(int(tag, 16) for tag in _tags(table)),
        expected=expected,
        length=table.integer("length", expected.length, low=1, high=expected.length),
    )


def _expected(table: Table, applications: tuple[Application, ...]) -> Template:
    """What is to be read: written out, or the content of a group, named as ``application/DGI``."""
    if not table.has("group"):
        return table.parsed("expected", Template.parse)
    contents = {
        f"{application.name}/{group.id.hex().upper()}": group.content
        for application in applications
        for group in application.groups
        if isinstance(group, PlainGroup)
    }
    name = table.text("group")
    if name not in contents:
        raise table.error("group", "one of " + ", ".join(contents))
    return contents[name]


def _command(table: Table) -> Template:
    template = table.parsed("command", Template.parse)
    try:
        Command.parse(template.render(_SAMPLE))
    except InvalidValue as error:
        raise table.error("command", str(error.details["expected"])) from error
    return template


def _tags(table: Table) -> tuple[str, ...]:
    tags = table.texts("path", ())
    for tag in tags:
        try:
            tlv.build(int(tag, 16))
        except (ValueError, InvalidValue) as error:
            raise table.error("path", "tags as hex digits, such as 9F0C") from error
    return tags


def _aid(table: Table, key: str) -> Template:
    template = table.parsed(key, Template.parse)
    if not 5 <= template.length <= 16:
        raise table.error(key, "an AID of 5 to 16 bytes")
    return template


def _unique(table: Table, key: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise table.error(key, "each name once")
