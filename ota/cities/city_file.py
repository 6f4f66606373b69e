"""One file of config/cities read strictly into a City."""

from types import MappingProxyType

from ota.card.keys import Algorithm
from ota.cities.profile import (
    CARD_DIGITS,
    City,
    CityKeys,
    Host,
    IssuerPrefix,
    KeyVersions,
    Limits,
    Lingnantong,
    LoadRules,
    NumberLayout,
    ProveMode,
    TerminalNumberMode,
    render_factor,
)
from ota.core.configuration import Table
from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CityCode, Fen, TerminalNumber

_FOUR_DIGITS = r"[0-9]{4}"
_CARD_ALGORITHMS = (Algorithm.TDES, Algorithm.SM4)


def read_city(name: str, file: Table) -> City:
    """The city of a file; `name` is the file's own, without its ending. Raises ConfigurationError."""
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
    _check_prefixes(file, city)
    _check_limits(file, city.limits)
    _check_templates(file, city)
    return city


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
        area=table.hexadecimal("area", low=1, high=1),
    )


def _read_limits(table: Table) -> Limits:
    return Limits(
        min_load=_fen(table, "min_load_fen", low=1),
        max_load=_fen(table, "max_load_fen", low=1),
        balance_ceiling=_fen(table, "balance_ceiling_fen", low=1),
        daily_load=_fen(table, "daily_load_fen", low=1) if table.has("daily_load_fen") else None,
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
    default = table.choice("default_algorithm", Algorithm)
    versions = table.table("versions")
    generations = {
        algorithm: _read_generations(versions.table(algorithm))
        for algorithm in _CARD_ALGORITHMS
        if versions.has(algorithm)
    }
    if default not in generations:
        raise table.error("default_algorithm", "an algorithm that keys.versions lists, 3DES or SM4")
    return CityKeys(
        issuer=table.text("issuer"),
        issuer_id=table.text("issuer_id"),
        path=table.texts("path"),
        default_algorithm=default,
        versions=MappingProxyType(generations),
    )


def _read_generations(table: Table) -> tuple[KeyVersions, ...]:
    tables = (table, *table.tables("older"))
    generations = tuple(
        KeyVersions(load=each.integer("load", high=255), others=each.integer("others", high=255))
        for each in tables
    )
    if len({generation.load for generation in generations}) < len(generations):
        raise table.error("older", "load versions that differ from each other and from the newest")
    return generations


def _read_host(table: Table) -> Host:
    host = Host(
        url=table.text("url", pattern=r"https://[!-~]+", expected="an https:// address"),
        platform_key_id=table.text("platform_key_id"),
        city_key_ids=table.texts("city_key_ids"),
        connect_timeout_s=table.integer("connect_timeout_s", 2, low=1, high=30),
        read_timeout_s=table.integer("read_timeout_s", 5, low=1, high=60),
    )
    if not host.city_key_ids:
        raise table.error("city_key_ids", "at least one key id")
    return host


def _fen(table: Table, key: str, *, low: int = 0) -> Fen:
    return Fen(table.integer(key, low=low, high=MAX_FEN))


def _check_prefixes(file: Table, city: City) -> None:
    for number, prefix in enumerate(city.prefixes):
        if not prefix.issuer_code.endswith(city.code.code):
            raise file.error(
                f"iin[{number}].issuer_code", f"8 digits that end in the clearing code {city.code}"
            )
        if prefix.within and not (prefix.prefix != prefix.within and prefix.prefix.startswith(prefix.within)):
            raise file.error(f"iin[{number}].within", "a shorter prefix that this one starts with")
    if sum(prefix.issues for prefix in city.prefixes) != 1:
        raise file.error("iin", "exactly one entry with issues = true")
    used = len(city.issuing.prefix) + city.number_layout.serial_digits + len(city.number_layout.suffix)
    if used != CARD_DIGITS:
        raise file.error(
            "number", f"prefix, serial and suffix to make {CARD_DIGITS} digits together, not {used}"
        )


def _check_limits(file: Table, limits: Limits) -> None:
    if not limits.min_load <= limits.max_load <= limits.balance_ceiling:
        raise file.error("limits.max_load_fen", "at least min_load_fen and at most balance_ceiling_fen")
    if limits.daily_load is not None and limits.daily_load < limits.max_load:
        raise file.error("limits.daily_load_fen", "at least max_load_fen")


def _check_templates(file: Table, city: City) -> None:
    try:
        render_factor(city.keys.issuer_id, {"issuer_code": city.issuing.issuer_code})
    except InvalidValue as error:
        raise file.error("keys.issuer_id", str(error.details["expected"])) from error
    try:
        city.key_path(city.number(0))
    except InvalidValue as error:
        raise file.error("keys.path", f"templates that give {error.details['expected']}") from error
    if len(city.keys.path) > 8:
        raise file.error("keys.path", "at most 8 factors")
