"""Faults that somebody might make, planted on purpose, so that a guard is seen to fail on them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from flask import Flask

from ota import wiring
from ota.app import create_app
from ota.card.purse import Load
from ota.cli.preparation import prepare
from ota.core.clock import SystemClock
from ota.core.values import Mac4
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.software import SoftwareHsm
from ota.sandbox.connection import Reply
from ota.settings import load
from ota.web.logs import MaskingFormatter
from tests.guards.canaries import Canaries, leaks
from tests.guards.journey import keys_of, whole_journey, words_of
from tests.hsm_adapter import reference

KEEPS_CARD_KEYS = """
from ota.hsm_adapter.software.cardkeys import CardKeys

kept, derive = [], CardKeys.derive

def careless(self, key, operation):
    card_key = derive(self, key, operation)
    kept.append(bytes(card_key))
    return card_key

CardKeys.derive = careless
"""


Fault = Callable[["Talkative", CardKey, Mac4], str]


class Talkative:
    """An HSM whose author wanted to see what happens: each fault is one that was made somewhere."""

    def __init__(self, hsm: SoftwareHsm, canaries: Canaries, fault: Fault) -> None:
        self._hsm = hsm
        self.canaries = canaries
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hsm, name)

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        mac2 = self._hsm.authorise_load(key, load)
        logging.getLogger("ota.planted").debug("authorised with %s", self._fault(self, key, mac2))
        return mac2

    def derived(self, key: CardKey, levels: int) -> bytes:
        """What the key's path leads to so far."""
        master = self.canaries.masters[key.ref]
        return reference.diversified(key.ref.algorithm, master, key.path[:levels])


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "master in hexadecimal": (lambda hsm, key, _: hsm.derived(key, 0).hex().upper(), "master"),
    "city key as a repr": (lambda hsm, key, _: repr(hsm.derived(key, 1)), "city"),
    "half a card key as numbers": (lambda hsm, key, _: str(list(hsm.derived(key, 2)[8:])), "card 3"),
    "MAC2": (lambda _hsm, _key, mac2: mac2.value.hex(), "MAC2"),
}


def leaks_of_a_platform(folder: Path, dress: Callable[[SoftwareHsm, Canaries], Any]) -> list[str]:
    """Run the journey on a platform in this process, everything logged at DEBUG, and search the log."""
    data = folder / "data"
    canaries = Canaries.put_into(data)
    settings = load(environ={}, overrides={"data": str(data)})
    prepare(settings, SystemClock().now())
    hsm = SoftwareHsm.open(data, environment=settings.environment)
    built = wiring.build(settings, hsm=dress(hsm, canaries))
    with closing(built.store), logged_at_debug() as log:
        holders, overheard = whole_journey(InProcess(create_app(built)))
    return leaks(log.getvalue(), keys_of(holders, canaries), words_of(holders, overheard))


class InProcess:
    """HTTP without a socket."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        answer = self._client.open(path, method=method, headers=dict(headers), data=body)
        return Reply(answer.status_code, answer.data, {k.lower(): v for k, v in answer.headers.items()})


@contextmanager
def logged_at_debug() -> Iterator[StringIO]:
    """Everything that is logged meanwhile, as `ota.web.logs` would write it."""
    root, log = logging.getLogger(), StringIO()
    handler, level = logging.StreamHandler(log), root.level
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
