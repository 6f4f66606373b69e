"""How the platform writes its log: one line per event, on standard error, card numbers masked."""

from __future__ import annotations

import logging
import re
import sys

_LONG_NUMBER = re.compile(r"(?<![0-9A-Fa-f])([0-9]{8})[0-9]{4,7}([0-9]{4})(?![0-9A-Fa-f])")


class MaskingFormatter(logging.Formatter):
    """The last net: a database's error text may quote a key's value, so card numbers are starred here."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record, stack included, with every 16- to 19-digit number masked."""
        return _LONG_NUMBER.sub(r"\1*******\2", super().format(record))


def configure_logging(level: str) -> None:
    """Send everything from ``level`` up to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its news at every start is that there is none
