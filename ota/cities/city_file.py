"""One file of config/cities read strictly into a City."""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from ota.card.keys import Algorithm
from ota.card.product import ProveMode
from ota.card.template import Template
from ota.cities.profile import (
    CARD_DIGITS,
    City,
    CityKeys,
    Host,
    HostKey,
    IssuerPrefix,
    KeyVersions,
    Limits,
    Lingnantong,
    LoadRules,
    NumberLayout,
    TerminalNumberMode,
)
from ota.core.configuration import ConfigurationError, Table
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CityCode, Fen, TerminalNumber
from ota.hsm_adapter.keys import FACTOR_LENGTH, MAX_LEVELS

_FOUR_DIGITS = r"[0-9]{4}"
_ADDRESS = r"(https://|http://(127\.0\.0\.1|localhost)(?![^:/]))[!-~]*[!-.0-~]"
"""TLS, but for a simulated host on this very machine."""


def read_city(name: str, file: Table) -> City:
    """The city of a file; `name` is the file's own, without its ending. Raises ConfigurationError."""
    city = parse_city(name, file)
    for mistake in contradictions_within(file, city):
        raise mistake
    return city


def parse_city(name: str, file: Table) -> City:
    """The city of a file, each key checked for itself and none against another. Raises ConfigurationError."""
    about = file.table("city")
    self_issuing = about.flag("self_issuing")
    city = City(
        name=name,
        name_en=about.text("name_en"),
        name_zh=about.text("name_zh"),
        brand=about.text("brand"),
        code=CityCode(about.text("clearing_code", pattern=_FOUR_DIGITS, expected="4 digits of GB/T 13497")),
        province_code=about.text("province_code", pattern=_FOUR_DIGITS, expected="4 digits of GB/T 13497"),
        division_code=about.text("division_code", pattern=_FOUR_DIGITS, expected="4 digits of GB/T 2260"),
        phone_area=about.text("phone_area", pattern="0[0-9]{2,3}", expected="3 or 4 digits, the first a 0"),
        batch=about.integer("batch", low=1, high=3),
        live=about.flag("live"),
        self_issuing=self_issuing,
        product=about.text("product"),
        prefixes=tuple(_read_prefix(table) for table in file.tables("iin", at_least=1)),
        number_layout=_read_number_layout(file.table("number")),
        lingnantong=_read_lingnantong(file.table("lingnantong")),
        limits=_read_limits(file.table("limits")),
        issuance_fee=_fen(file.table("fees"), "issuance_fen"),
        load=_read_load(file.table("load")),
        keys=_read_keys(file.table("keys")),
        host=_read_host(file.table("host")) if self_issuing or file.has("host") else None,
    )
    file.finish()
    return city


def contradictions_within(
    file: Table, city: City, unread: frozenset[str] = frozenset()
) -> Iterator[ConfigurationError]:
    """What keys of one file say against each other; leaves out what depends on the tables named `unread`."""
    for tables, check in _CHECKS:
        if not tables & unread:
            yield from check(file, city)


def _read_prefix(table: Table) -> IssuerPrefix:
    digits = "8 to 14 digits: an IIN or a block of one"
    return IssuerPrefix(
        prefix=table.text("prefix", pattern=r"[0-9]{8,14}", expected=digits),
        issuer_code=table.text("issuer_code", pattern=r"[0-9]{8}", expected="8 digits"),
        issues=table.flag("issues"),
        within=table.text("within", pattern=r"[0-9]{8,13}", expected=digits) if table.has("within") else None,
    )


def _read_number_layout(table: Table) -> NumberLayout:
    return NumberLayout(
        serial_digits=table.integer("serial_digits", low=1, high=11),
        suffix=table.text("suffix", pattern=r"[0-9]{0,10}", expected="at most 10 digits"),
    )


def _read_lingnantong(table: Table) -> Lingnantong:
    return Lingnantong(
        number_prefix=table.text("number_prefix", pattern=r"[0-9]{6}", expected="6 digits"),
        area=table.hexadecimal("area", low=1, high=1)[0],
    )


def _read_limits(table: Table) -> Limits:
    return Limits(
        min_load=_fen(table, "min_load_fen", low=1),
        max_load=_fen(table, "max_load_fen", low=1),
        balance_ceiling=_fen(table, "balance_ceiling_fen", low=1),
    )


def _read_load(table: Table) -> LoadRules:
    mode = table.choice("terminal_number", TerminalNumberMode)
    fixed = mode is TerminalNumberMode.FIXED or table.has("fixed_number")
    return LoadRules(
        terminal_number=mode,
        fixed_number=table.parsed("fixed_number", TerminalNumber) if fixed else None,
        foreign_loads=table.flag("foreign_loads"),
        prove=table.choice("prove", ProveMode) if table.has("prove") else None,
    )


def _read_keys(table: Table) -> CityKeys:
    versions = table.table("versions")
    return CityKeys(
        issuer=table.text(
            "issuer", pattern=r"[a-z0-9][a-z0-9-]{0,31}", expected="an owner's name in the HSM"
        ),
        issuer_id=table.parsed("issuer_id", Template.parse),
        path=tuple(_read_factor(table, text) for text in table.texts("path")),
        default_algorithm=table.choice("default_algorithm", Algorithm),
        versions=MappingProxyType(
            {
                algorithm: _read_generations(versions.table(algorithm))
                for algorithm in (Algorithm.TDES, Algorithm.SM4)
                if versions.has(algorithm)
            }
        ),
    )


def _read_factor(table: Table, text: str) -> Template:
    try:
        return Template.parse(text)
    except InvalidValue as error:
        raise table.error("path", f"for each factor {error.details['expected']}") from error


def _read_generations(table: Table) -> tuple[KeyVersions, ...]:
    return tuple(
        KeyVersions(load=each.integer("load", high=255), others=each.integer("others", high=255))
        for each in (table, *table.tables("older"))
    )


def _read_host(table: Table) -> Host:
    return Host(
        url=table.text("url", pattern=_ADDRESS, expected="an https:// address without a slash at its end"),
        platform_key_id=_key_id(table, "platform_key_id"),
        city_keys=tuple(_read_host_key(key) for key in table.tables("city_keys", at_least=1)),
        connect_timeout_s=table.integer("connect_timeout_s", 2, low=1, high=30),
        read_timeout_s=table.integer("read_timeout_s", 5, low=1, high=60),
    )


def _read_host_key(table: Table) -> HostKey:
    coordinate = r"[A-Za-z0-9_-]{43}"
    expected = "43 characters: 32 bytes in base64url, as in a JWK"
    return HostKey(
        id=_key_id(table, "id"),
        x=table.text("x", pattern=coordinate, expected=expected),
        y=table.text("y", pattern=coordinate, expected=expected),
    )


def _key_id(table: Table, key: str) -> str:
    expected = "1 to 64 lower-case letters, digits and dashes"
    return table.text(key, pattern=r"[a-z0-9][a-z0-9-]{0,63}", expected=expected)


def _fen(table: Table, key: str, *, low: int = 0) -> Fen:
    return Fen(table.integer(key, low=low, high=MAX_FEN))


def _check_prefixes(file: Table, city: City) -> Iterator[ConfigurationError]:
    code = city.code.code
    for number, prefix in enumerate(city.prefixes):
        if not prefix.issuer_code.endswith(code):
            yield file.error(f"iin[{number}].issuer_code", f"8 digits that end in the clearing code {code}")
        if prefix.within and not (prefix.prefix != prefix.within and prefix.prefix.startswith(prefix.within)):
            yield file.error(f"iin[{number}].within", "a shorter prefix that this one starts with")


def _check_number(file: Table, city: City) -> Iterator[ConfigurationError]:
    issuing = [prefix for prefix in city.prefixes if prefix.issues]
    if len(issuing) != 1:
        yield file.error("iin", "exactly one entry with issues = true")
        return
    layout = city.number_layout
    used = len(issuing[0].prefix) + layout.serial_digits + len(layout.suffix)
    if used != CARD_DIGITS:
        yield file.error("number", f"prefix, serial and suffix of {CARD_DIGITS} digits together, not {used}")


def _check_limits(file: Table, city: City) -> Iterator[ConfigurationError]:
    limits = city.limits
    if not limits.min_load <= limits.max_load <= limits.balance_ceiling:
        yield file.error("limits.max_load_fen", "at least min_load_fen and at most balance_ceiling_fen")


def _check_keys(file: Table, city: City) -> Iterator[ConfigurationError]:
    if city.keys.default_algorithm not in city.keys.versions:
        yield file.error("keys.default_algorithm", "an algorithm that keys.versions lists, 3DES or SM4")
    for algorithm, generations in city.keys.versions.items():
        if len({generation.load for generation in generations}) < len(generations):
            yield file.error(f"keys.versions.{algorithm}.older", "load versions that all differ")
    if not _fits(city.keys.issuer_id, {"issuer_code"}):
        yield file.error("keys.issuer_id", f"{FACTOR_LENGTH} bytes from {{issuer_code}} and hex digits")
    if len(city.keys.path) > MAX_LEVELS or not all(_fits(factor, _FACTORS) for factor in city.keys.path):
        known = ", ".join(f"{{{name}}}" for name in sorted(_FACTORS))
        yield file.error(
            "keys.path",
            f"at most {MAX_LEVELS} factors of {FACTOR_LENGTH} bytes each from {known} and hex digits",
        )


def _fits(factor: Template, gaps: AbstractSet[str]) -> bool:
    used = {part for part in factor.parts if isinstance(part, str)}
    return factor.length == FACTOR_LENGTH and used <= gaps


def _check_host(file: Table, city: City) -> Iterator[ConfigurationError]:
    if city.host is None:
        return
    if len({key.id for key in city.host.city_keys}) < len(city.host.city_keys):
        yield file.error("host.city_keys", "ids that all differ")
    if not city.self_issuing and not city.load.foreign_loads:
        yield file.error("load.foreign_loads", "true, since the city's own host may load the purse as well")


_FACTORS = frozenset({"issuer_id", "issuer_code", "province", "city", "card_factor", "lnt_number"})
_CHECKS: tuple[tuple[frozenset[str], Callable[[Table, City], Iterator[ConfigurationError]]], ...] = (
    (frozenset({"city", "iin"}), _check_prefixes),
    (frozenset({"iin", "number"}), _check_number),
    (frozenset({"limits"}), _check_limits),
    (frozenset({"keys"}), _check_keys),
    (frozenset({"city", "host", "load"}), _check_host),
)
