"""What an installation decides, as frozen values: one class per section of the files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ENVIRONMENTS = ("development", "production", "sandbox")


class SettingsError(Exception):
    """A setting is wrong; the message names where it stands and what was expected."""


@dataclass(frozen=True, slots=True)
class Server:
    """The HTTP server. TLS ends here (certificate and key) or at a proxy (``behind_tls_proxy``).

    ``threads`` requests work at once in a process; new orders leave ``reserved_threads`` of them free, and
    ``waiting_orders`` of them may wait a moment before the next one is turned away. ``waiting_bodies`` may be on
    their way at once, half of them of requests without a token that holds. ``metrics``: who may read them;
    ``metrics_token_file`` holds the token that they show then, so that it stands in no variable and no log.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    threads: int = 4
    reserved_threads: int = 1
    waiting_orders: int = 64
    tls_certificate: str = ""
    tls_key: str = ""
    behind_tls_proxy: bool = False
    waiting_bodies: int = 64
    stop_patience_s: int = 10
    metrics: Literal["open", "token", "off"] = "open"
    metrics_token_file: str = ""


@dataclass(frozen=True, slots=True)
class Database:
    """``url`` empty: SQLite in the data folder. ``wait_s`` bounds waiting for a lock or a connection."""

    url: str = field(default="", repr=False)
    pool_size: int = 10
    wait_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis or Valkey for the job queue; empty: none."""

    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Who runs the jobs: a thread of the server (``embedded``), or ``ota worker`` with Redis."""

    runner: Literal["embedded", "redis"] = "embedded"
    poll_s: float = 0.5
    lease_s: int = 120
    max_attempts: int = 12


@dataclass(frozen=True, slots=True)
class Hsm:
    """Where the keys are. ``pin_file`` holds the token's PIN, so that it stands in no variable and no log.

    ``maximum_exposure`` is how much of a card key may be seen outside the HSM; what needs more is refused. The standby
    is a second token with the same keys, which answers when the first cannot. ``key_administrator`` is a public key in
    hexadecimal: a key store of anybody else is refused. ``sm4_session`` and ``sm4_tac_xor`` are rules of SM4 purses of
    which no real card was seen (CARD.md 7, point 1). The numbers are a vendor's, for SM4 on a
    token: key type, derivation by ECB, CBC; 0 means that it has none.
    """

    backend: Literal["software", "pkcs11"] = "software"
    maximum_exposure: Literal["none", "half_card_key", "card_key"] = "card_key"
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pin_file: str = ""
    standby_token: str = ""
    standby_pin_file: str = ""
    key_administrator: str = ""
    sm4_session: Literal["complement", "repeat"] = "complement"
    sm4_tac_xor: bool = False
    pkcs11_sm4_key_type: int = 0
    pkcs11_sm4_ecb_encrypt_data: int = 0
    pkcs11_sm4_cbc: int = 0


@dataclass(frozen=True, slots=True)
class Tokens:
    """``audience`` is this platform's name: what callers write into ``aud``."""

    audience: str = "urn:ota:development"
    access_life_s: int = 900
    session_life_s: int = 1800
    assertion_life_s: int = 300
    skew_s: int = 300


@dataclass(frozen=True, slots=True)
class Refunds:
    """``unused_after_s``: how long a paid top-up that nobody loads keeps its money; 0 for as long as it takes."""

    unused_after_s: int = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Webhooks:
    """``give_up_after_s``: how long an event is tried that a wallet's server does not take; its feed keeps it for good."""

    give_up_after_s: int = 3 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Audit:
    """Where the newest digests of the audit trail go: a file, outside the database. Empty: in the data folder."""

    anchor_file: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """The lowest level that is written, to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Whether the published test callers are registered at start."""

    credentials: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an installation decides."""

    environment: Literal["development", "production", "sandbox"] = "development"
    data: Path = Path("ota-data")
    server: Server = field(default_factory=Server)
    database: Database = field(default_factory=Database)
    redis: Redis = field(default_factory=Redis)
    jobs: Jobs = field(default_factory=Jobs)
    hsm: Hsm = field(default_factory=Hsm)
    tokens: Tokens = field(default_factory=Tokens)
    refunds: Refunds = field(default_factory=Refunds)
    webhooks: Webhooks = field(default_factory=Webhooks)
    audit: Audit = field(default_factory=Audit)
    log: Log = field(default_factory=Log)
    sandbox: Sandbox = field(default_factory=Sandbox)
    config: Path = Path("config")

    @property
    def anchor_file(self) -> Path:
        """The configured file of audit anchors, or one in the data folder."""
        return Path(self.audit.anchor_file or self.data / "audit-anchors.jsonl")

    @property
    def database_url(self) -> str:
        """The configured database, or SQLite in the data folder."""
        return self.database.url or f"sqlite:///{self.data.absolute() / 'ota.sqlite3'}"
