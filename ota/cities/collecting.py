"""Reading a file to the end although it has mistakes, so that a person can mend all of them at once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ota.core.configuration import Choice, ConfigurationError, Table
from ota.core.errors import InvalidValue

Read = TypeVar("Read")


class CollectingTable(Table):
    """A table that notes a mistake and goes on with a stand-in value, where a plain one would stop.

    What is built from stand-ins is good for nothing but finding the next mistake.
    """

    mistakes: list[ConfigurationError]

    def __init__(self, file: str, values: Mapping[str, object], path: str = "") -> None:
        super().__init__(file, values, path)
        self.mistakes = []

    def text(
        self, key: str, default: str | None = None, *, pattern: str = r"(?s:.+)", expected: str = ""
    ) -> str:
        """The text, or zeros."""
        return self._or(
            "0000",
            lambda: super(CollectingTable, self).text(key, default, pattern=pattern, expected=expected),
        )

    def integer(self, key: str, default: int | None = None, *, low: int = 0, high: int = 2**63 - 1) -> int:
        """The number, or the lowest allowed."""
        return self._or(low, lambda: super(CollectingTable, self).integer(key, default, low=low, high=high))

    def flag(self, key: str, default: bool | None = None) -> bool:  # noqa: FBT001  the value itself
        """The flag, or False."""
        return self._or(False, lambda: super(CollectingTable, self).flag(key, default))

    def hexadecimal(self, key: str, default: bytes | None = None, *, low: int = 0, high: int = 4096) -> bytes:
        """The bytes, or as many zeros as are needed."""
        stand_in = bytes(low)
        return self._or(
            stand_in, lambda: super(CollectingTable, self).hexadecimal(key, default, low=low, high=high)
        )

    def choice(self, key: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        """The member, or the first one."""
        stand_in = next(iter(kind))
        return self._or(stand_in, lambda: super(CollectingTable, self).choice(key, kind, default))

    def parsed(self, key: str, parse: Callable[[str], Read], default: str | None = None) -> Read:
        """The value; there is no stand-in for one of any kind, so reading ends here."""
        try:
            return super().parsed(key, parse, default)
        except ConfigurationError as mistake:
            self.mistakes.append(mistake)
            raise

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """The texts, or none."""
        return self._or((), lambda: super(CollectingTable, self).texts(key, default))

    def integers(self, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The numbers, or none."""
        return self._or((), lambda: super(CollectingTable, self).integers(key, default))

    def table(self, key: str) -> Table:
        """The table, or an empty one."""
        return self._or(self._nested({}, key), lambda: super(CollectingTable, self).table(key))

    def tables(self, key: str, *, at_least: int = 0) -> tuple[Table, ...]:
        """The tables, or none."""
        return self._or((), lambda: super(CollectingTable, self).tables(key, at_least=at_least))

    def finish(self) -> None:
        """Note every key that nobody asked for, here and below."""
        known = ", ".join(sorted(self._asked)) or "nothing"
        for key in self.keys():
            if key not in self._asked:
                self.mistakes.append(self.error(key, f"no such key here (known: {known})"))
        for inner in self._inner:
            inner.finish()

    def _or(self, stand_in: Read, read: Callable[[], Read]) -> Read:
        try:
            return read()
        except ConfigurationError as mistake:
            self.mistakes.append(mistake)
            return stand_in

    def _nested(self, values: Mapping[str, object], key: str) -> Table:
        inner = CollectingTable(self.file, values, self._full(key))
        inner.mistakes = self.mistakes
        self._inner.append(inner)
        return inner


def read_all(
    file: Path, read: Callable[[CollectingTable], Read]
) -> tuple[Read | None, list[ConfigurationError]]:
    """What a reader makes of a file, and every mistake on the way.

    With mistakes the value may be built from stand-ins, or be None when nothing could be built.
    """
    try:
        table = CollectingTable.load(file)
    except ConfigurationError as mistake:
        return None, [mistake]
    try:
        return read(table), table.mistakes
    except ConfigurationError as mistake:
        elsewhere = {top_table(noted) for noted in table.mistakes}
        return None, [*table.mistakes, *([] if top_table(mistake) in elsewhere else [mistake])]
    except (InvalidValue, LookupError, ValueError):
        if not table.mistakes:
            raise  # no stand-in is to blame: this is a fault of the reader
        return None, table.mistakes


def top_table(mistake: ConfigurationError) -> str:
    """``iin`` for a mistake at ``iin[1].prefix``."""
    return str(mistake.details["key"]).partition(".")[0].partition("[")[0]
