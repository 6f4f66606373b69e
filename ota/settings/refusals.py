"""Combinations of settings that must not run."""

import re
from collections.abc import Iterator
from typing import Final

from ota.settings.sections import Settings

_PLACE: Final = r"(?:\[[^\]/]*\]|[^/:?\[\]@]*)(?::[0-9]*)?"
_DATABASE: Final = re.compile(
    rf"|sqlite://(?:/.*)?|postgresql\+psycopg://(?:[^:/]*(?::[^@]*)?@)?{_PLACE}(?:[/?].*)?"
)
_REDIS: Final = re.compile(rf"|rediss?://(?:[^@]*@)?{_PLACE}(?:[/?].*)?|unix://.+")
_PUBLIC_KEY: Final = re.compile(r"(?:[0-9a-fA-F]{64})?", re.ASCII)


def refusals(settings: Settings) -> Iterator[str]:
    """What production must not run with, one sentence each (and what no installation may)."""
    yield from _contradictions(settings)
    if settings.environment != "production":
        return
    if settings.sandbox.credentials:
        yield "sandbox.credentials: expected false with environment = production: their private keys are published"
    if not settings.database.url or settings.database.url.startswith("sqlite"):
        yield "database.url: expected postgresql+psycopg://… with environment = production"
    if settings.hsm.backend == "software":
        yield "hsm.backend: expected pkcs11 with environment = production"
    if not settings.tokens.audience.startswith("https://"):
        yield "tokens.audience: expected the platform's own https:// address with environment = production"
    if not (settings.server.tls_certificate or settings.server.behind_tls_proxy):
        yield "server.tls_certificate: expected one, or server.behind_tls_proxy = true, with environment = production"
    if settings.server.metrics == "open":
        yield (
            "server.metrics: expected token (with server.metrics_token_file) or off with environment = production: "
            "/metrics tells what each city's customers have waiting"
        )


def _contradictions(settings: Settings) -> Iterator[str]:
    yield from _unreadable_addresses(settings)
    yield from _nameless_token(settings)
    if settings.jobs.runner == "redis" and not settings.redis.url:
        yield "redis.url: expected an address, since jobs.runner is redis"
    if bool(settings.hsm.standby_token) != bool(settings.hsm.standby_pin_file):
        yield "hsm.standby_token and hsm.standby_pin_file: expected both or neither"
    if settings.hsm.standby_token and settings.hsm.backend != "pkcs11":
        yield "hsm.standby_token: expected none, since hsm.backend is software"
    if not _PUBLIC_KEY.fullmatch(settings.hsm.key_administrator):
        yield "hsm.key_administrator: expected 64 hexadecimal digits, as `ota keys list` shows them, or nothing"
    if settings.server.metrics == "token" and not settings.server.metrics_token_file:
        yield "server.metrics_token_file: expected a file with the scraper's token, since server.metrics is token"
    if settings.server.waiting_bodies < 2:
        yield "server.waiting_bodies: expected 2 or more: half of them are for those who have shown a token"
    if bool(settings.server.tls_certificate) != bool(settings.server.tls_key):
        yield "server.tls_certificate and server.tls_key: expected both or neither"


def _unreadable_addresses(settings: Settings) -> Iterator[str]:
    """Addresses may hold passwords: what was expected is told, and never what was found."""
    if not _DATABASE.fullmatch(settings.database.url):
        yield "database.url: expected postgresql+psycopg://USER@HOST/NAME, sqlite:///FILE, or nothing"
    if not _REDIS.fullmatch(settings.redis.url):
        yield "redis.url: expected redis://HOST:PORT, rediss://HOST:PORT, unix://FILE, or nothing"


def _nameless_token(settings: Settings) -> Iterator[str]:
    if settings.hsm.backend != "pkcs11":
        return
    hsm = settings.hsm
    needed = {"pkcs11_module": hsm.pkcs11_module, "pkcs11_token": hsm.pkcs11_token, "pin_file": hsm.pin_file}
    for key, value in needed.items():
        if not value:
            yield f"hsm.{key}: expected one, since hsm.backend is pkcs11"
