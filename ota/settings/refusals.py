"""Combinations of settings that must not run."""

import re
from collections.abc import Iterator
from typing import Final

from ota.settings.sections import Settings

_PUBLIC_KEY: Final = re.compile(r"(?:[0-9a-fA-F]{64})?", re.ASCII)


def refusals(settings: Settings) -> Iterator[str]:
    """What production must not run with, one sentence each (and what no installation may)."""
    yield from _contradictions(settings)
    if settings.environment != "production":
        return
    if settings.sandbox.credentials:
        yield "sandbox.credentials: expected false with environment = production: their private keys are published"
    if not settings.database.url.startswith("postgresql"):
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
