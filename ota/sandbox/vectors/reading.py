"""One vector's fields: read strictly, compared, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ota.card.apdu import from_hex
from ota.card.keys import Algorithm

_ABOUT: Final = frozenset({"name", "klass", "source", "note", "comment", "description"})


class Failure(Exception):
    """A vector does not hold or cannot be checked; the text says why."""


class Vector:
    """The fields of one vector; `finish` refuses one with unknown fields or with nothing that was compared."""

    def __init__(self, fields: Mapping[str, object], place: str = "") -> None:
        self._fields = fields
        self._place = place
        self._known = set(_ABOUT)
        self._parts: list[Vector] = []
        self.compared = 0

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        self._known.add(name)
        return name in self._fields

    def allow(self, *names: str) -> None:
        """These fields may be there without being needed."""
        self._known.update(names)

    def data(self, name: str, length: int | None = None) -> bytes:
        """A field of hex digits; raises Failure when it is absent or of another length."""
        value = self.text(name)
        raw = from_hex(self._where(name), value)
        if length is not None and len(raw) != length:
            raise Failure(f"{self._where(name)}: expected {length} bytes")
        return raw

    def text(self, name: str) -> str:
        """A field that is a string."""
        value = self._value(name)
        if not isinstance(value, str):
            raise Failure(f"{self._where(name)}: expected a string")
        return value

    def number(self, name: str) -> int:
        """A field that is a whole number."""
        value = self._value(name)
        if type(value) is not int:
            raise Failure(f"{self._where(name)}: expected a whole number")
        return value

    def part(self, name: str) -> Vector:
        """A field that is an object."""
        return self._nested(self._where(name), self._value(name))

    def parts(self, name: str) -> list[Vector]:
        """A field that is a list of objects; empty when it is absent."""
        return [
            self._nested(f"{self._where(name)}[{number}]", value)
            for number, value in enumerate(self._items(name))
        ]

    def datas(self, name: str) -> list[bytes]:
        """A field that is a list of hex strings; empty when it is absent."""
        items = self._items(name)
        return [Vector({name: item}, self._place).data(name) for item in items]

    def algorithm(self) -> Algorithm:
        """The field alg, 3DES when it is absent."""
        name = self.text("alg") if self.has("alg") else Algorithm.TDES.value
        if name not in {Algorithm.TDES.value, Algorithm.SM4.value}:
            raise Failure(f"{self._where('alg')}: expected 3DES or SM4")
        return Algorithm(name)

    def same(self, name: str, computed: bytes | bytearray) -> None:
        """Compare a field, where it is there, with what the product makes."""
        if self.has(name):
            self.holds(name, self.data(name) == computed)

    def holds(self, name: str, outcome: bool) -> None:  # noqa: FBT001  the outcome is what is recorded
        """Count one comparison; raises Failure naming the field that differs."""
        if not outcome:
            raise Failure(f"{self._where(name)} differs")
        self.compared += 1

    def finish(self) -> None:
        """Raise Failure for fields nobody looked at, and when nothing was compared."""
        self.refuse_unknown()
        if not self.total():
            raise Failure("nothing in it can be checked")

    def refuse_unknown(self) -> None:
        """Raise Failure for a field nobody looked at, here or in a part."""
        unknown = sorted(set(self._fields) - self._known)
        if unknown:
            raise Failure(f"{self._where(unknown[0])}: this field is not known")
        for part in self._parts:
            part.refuse_unknown()

    def total(self) -> int:
        """Comparisons here and in the parts."""
        return self.compared + sum(part.total() for part in self._parts)

    def _value(self, name: str) -> object:
        if not self.has(name):
            raise Failure(f"{self._where(name)} is missing")
        return self._fields[name]

    def _items(self, name: str) -> list[object]:
        if not self.has(name):
            return []
        value = self._fields[name]
        if not isinstance(value, list):
            raise Failure(f"{self._where(name)}: expected a list")
        return value

    def _nested(self, place: str, value: object) -> Vector:
        if not isinstance(value, dict):
            raise Failure(f"{place}: expected an object")
        part = Vector(value, place)
        self._parts.append(part)
        return part

    def _where(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name
