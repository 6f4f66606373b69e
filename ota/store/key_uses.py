"""Key uses for the audit trail: counted in memory by who, order, operation, key name and outcome, written each minute.

One entry per key use would cost a commit per exchange. A summary that was not written when a process is killed is lost
for at most a minute; every load has its own durable row anyway.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Final

from ota.core.clock import Clock
from ota.core.errors import OtaError
from ota.hsm_adapter.trail import KeyUse
from ota.store import audit
from ota.store.audit import Entry
from ota.store.phases import Store

_log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
MOST_LINES: Final = 1000
"""In one entry of the audit; a busy minute gets several."""

_Use = tuple[str, str, str, str, str]
_NAMES: Final = ("who", "order", "operation", "key", "outcome")


class KeyUses:
    """A sink of `ota.hsm_adapter.trail`: counts, and appends the counts to the stream of keys."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._guard = threading.Lock()
        self._counts: Counter[_Use] = Counter()
        self._since = clock.now()

    def __call__(self, use: KeyUse) -> None:
        """Count one use; touches no database."""
        with self._guard:
            self._counts.update(
                (use.who, use.subject, str(use.operation), key, use.outcome) for key in use.keys
            )

    def flush(self) -> int:
        """Write what was counted since the last time; returns how many kinds of use. A failure loses nothing."""
        with self._guard:
            counts, self._counts = self._counts, Counter()
            since = self._since
        if not counts:
            return 0
        now = self._clock.now()
        lines = _listed(counts)
        try:
            with self._store.begin() as tx:
                for start in range(0, len(lines), MOST_LINES):
                    data = {"since": since.isoformat(), "uses": lines[start : start + MOST_LINES]}
                    audit.append(tx, Entry(audit.KEYS, audit.PLATFORM, "keys_used", "summary", data, now))
        except BaseException:
            with self._guard:
                self._counts.update(counts)
            raise
        with self._guard:
            self._since = now
        return len(counts)

    def flush_until(self, stop: threading.Event) -> None:
        """Flush every minute until told to stop: for a process that runs no jobs and so no sweeps."""
        while not stop.wait(INTERVAL_S):
            try:
                self.flush()
            except OtaError:
                _log.warning("key uses wait: the database cannot be reached", exc_info=True)


def _listed(counts: Counter[_Use]) -> list[dict[str, object]]:
    return [{**dict(zip(_NAMES, use, strict=True)), "count": counts[use]} for use in sorted(counts)]
