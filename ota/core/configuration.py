"""Strict reading of TOML files: every key is asked for by type, and whatever nobody asked for is an error."""

import re
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from ota.core.errors import InvalidValue, OtaError

Choice = TypeVar("Choice", bound=StrEnum)
Parsed = TypeVar("Parsed")

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*", re.ASCII)
_ANY_TEXT: Final = r"(?s:.+)"


class ConfigurationError(OtaError):
    """A configuration file is wrong. Names the file, the key and what was expected there; found at start."""

    code = "configuration_error"

    def __init__(self, file: str, key: str, expected: str) -> None:
        super().__init__(
            english=f"{file}: {key}: expected {expected}.",
            chinese=f"配置文件 {file} 的 {key} 有误, 应为: {expected}。",
            details={"file": file, "key": key, "expected": expected},
        )


class Table:
    """One table of a file. Getters take a key's name and check its type; `finish` refuses what was not asked for.

    A getter without a default (None) demands the key; `has` tells whether an optional one is there.
    Keys are named by their path in the file, such as ``applications[1].instances[0].aid``.
    """

    def __init__(self, file: str, values: Mapping[str, object], path: str = "") -> None:
        self.file = file
        self.path = path
        self._values = values
        self._asked: set[str] = set()
        self._inner: list[Table] = []

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a TOML file; one that cannot be read or parsed is a ConfigurationError."""
        try:
            return cls(str(file), tomllib.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(str(file), "the file", "a readable file") from error
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(str(file), "the file", f"valid TOML ({error})") from error

    def has(self, key: str) -> bool:
        """Whether the key is in the file."""
        self._asked.add(key)
        return key in self._values

    def keys(self) -> tuple[str, ...]:
        """Every key of this table in the order of the file; for tables whose keys are names chosen by the writer."""
        return tuple(self._values)

    def text(
        self, key: str, default: str | None = None, *, pattern: str = _ANY_TEXT, expected: str = ""
    ) -> str:
        """A string that fits the whole pattern; not empty unless the pattern says so."""
        value = self._get(key, default, str, expected or "a text")
        if not re.fullmatch(pattern, value, re.ASCII):
            raise self.error(key, expected or f"a text that fits {pattern}")
        return value

    def integer(self, key: str, default: int | None = None, *, low: int = 0, high: int = 2**63 - 1) -> int:
        """A whole number between low and high, both included."""
        expected = f"a whole number from {low} to {high}"
        value = self._get(key, default, int, expected)
        if not low <= value <= high:
            raise self.error(key, expected)
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:  # noqa: FBT001  the value itself
        """True or false."""
        return self._get(key, default, bool, "true or false")

    def hexadecimal(self, key: str, default: bytes | None = None, *, low: int = 0, high: int = 4096) -> bytes:
        """Bytes written as hex digits, spaces allowed, between low and high bytes long."""
        length = f"{low}" if low == high else f"{low} to {high}"
        expected = f"{length} bytes as hex digits"
        value = self._get(key, None if default is None else default.hex(), str, expected).replace(" ", "")
        if not _HEX.fullmatch(value) or not low <= len(value) // 2 <= high:
            raise self.error(key, expected)
        return bytes.fromhex(value)

    def choice(self, key: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        """One of the values of an enumeration."""
        expected = "one of " + ", ".join(repr(str(member)) for member in kind)
        value = self._get(key, default, str, expected)
        try:
            return kind(value)
        except ValueError:
            raise self.error(key, expected) from None

    def parsed(self, key: str, parse: Callable[[str], Parsed], default: str | None = None) -> Parsed:
        """A string made into a value; the parser's InvalidValue becomes an error that names the key."""
        try:
            return parse(self._get(key, default, str, "a text"))
        except InvalidValue as error:
            raise self.error(key, str(error.details["expected"])) from error

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        return self._list(key, default, str, "a list of texts")

    def integers(self, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """A list of whole numbers."""
        return self._list(key, default, int, "a list of whole numbers")

    def table(self, key: str) -> "Table":
        """The table under this key; one that is absent reads as empty, so that its own keys decide."""
        return self._nested(self._get(key, {}, dict, "a table"), key)

    def tables(self, key: str, *, at_least: int = 0) -> "tuple[Table, ...]":
        """The list of tables under this key."""
        found: list[Any] = self._get(key, [], list, "a list of tables")
        if len(found) < at_least or not all(isinstance(item, dict) for item in found):
            raise self.error(key, f"a list of at least {at_least} tables")
        return tuple(self._nested(item, f"{key}[{number}]") for number, item in enumerate(found))

    def error(self, key: str, expected: str) -> ConfigurationError:
        """An error about a key of this table, for checks that only the caller can make."""
        return ConfigurationError(self.file, self._full(key), expected)

    def finish(self) -> None:
        """Refuse every key that nobody asked for, here and in every table taken from here."""
        for key in self._values:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked)) or "nothing"
                raise self.error(key, f"no such key here (known: {known})")
        for inner in self._inner:
            inner.finish()

    def _get(self, key: str, default: object, kind: type[Parsed], expected: str) -> Parsed:
        self._asked.add(key)
        value = self._values.get(key, default)
        if type(value) is not kind and not (value is default and isinstance(value, kind)):
            raise self.error(
                key, expected
            )  # exact types: true is not a number; a default may be an enum's member
        return value

    def _list(
        self, key: str, default: tuple[Parsed, ...] | None, kind: type[Parsed], expected: str
    ) -> tuple[Parsed, ...]:
        found: list[Any] = self._get(key, None if default is None else list(default), list, expected)
        if not all(type(item) is kind for item in found):
            raise self.error(key, expected)
        return tuple(found)

    def _nested(self, values: Mapping[str, object], key: str) -> "Table":
        inner = Table(self.file, values, self._full(key))
        self._inner.append(inner)
        return inner

    def _full(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key
