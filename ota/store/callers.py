"""The callers that the platform knows: wallet servers, terminals, staff, and their public keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.principal import CallerKind
from ota.core.values import CityCode, TerminalNumber
from ota.store.phases import Store
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime, choice

caller = sa.Table(
    "caller",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("kind", choice(CallerKind), nullable=False),
    sa.Column("city", sa.String(4)),
    sa.Column("terminal_no", sa.String(12)),
    sa.Column("wallet", sa.String(64)),
    sa.Column("roles", Json, nullable=False),
    sa.Column("otp_secret", sa.String(64)),  # plain, of earlier versions: `Callers.seal` empties it
    sa.Column("otp_sealed", sa.String(255)),  # only ota.hsm_adapter can read it
    sa.Column("callback_url", sa.String(255)),
    sa.Column("channels", Json),  # null: any, which production refuses
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("sandbox", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

caller_key = sa.Table(
    "caller_key",
    metadata,
    sa.Column("caller_id", sa.ForeignKey("caller.id"), primary_key=True),
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("jwk", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("retired_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller; ``keys`` maps a key id to a public JWK. The second factor's secret is sealed, and never printed.

    ``callback_url`` is where a wallet's server listens to the platform (PROTOCOL.md); None: it does not. ``channels`` are the
    payment channels whose trades it may vouch for; None: any.
    """

    id: str
    kind: CallerKind
    keys: Mapping[str, Mapping[str, str]]
    city: CityCode | None = None
    terminal: TerminalNumber | None = None
    wallet: str | None = None
    roles: tuple[str, ...] = ()
    otp_secret: str | None = field(default=None, repr=False)
    callback_url: str | None = None
    channels: tuple[str, ...] | None = None
    disabled: bool = False
    sandbox: bool = False


def sealed(plain: Caller, seal: Callable[[str, str], str]) -> Caller:
    """The caller as it is kept: its second factor's secret sealed."""
    if plain.otp_secret is None:
        return plain
    return replace(plain, otp_secret=seal(plain.id, plain.otp_secret))


class Callers:
    """Finds, registers and disables callers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, caller_id: str) -> Caller | None:
        """The caller with the keys that are not retired; None when nobody has this id."""
        with self._store.read() as tx:
            row = tx.execute(sa.select(caller).where(caller.c.id == caller_id)).one_or_none()
            if row is None:
                return None
            keys = tx.execute(
                sa.select(caller_key.c.kid, caller_key.c.jwk).where(
                    caller_key.c.caller_id == caller_id, caller_key.c.retired_at.is_(None)
                )
            ).all()
        return Caller(
            id=row.id,
            kind=row.kind,
            keys={key.kid: key.jwk for key in keys},
            city=None if row.city is None else CityCode(row.city),
            terminal=None if row.terminal_no is None else TerminalNumber(row.terminal_no),
            wallet=row.wallet,
            roles=tuple(row.roles),
            otp_secret=row.otp_sealed or row.otp_secret,
            callback_url=row.callback_url,
            channels=None if row.channels is None else tuple(row.channels),
            disabled=row.disabled,
            sandbox=row.sandbox,
        )

    def register(self, new: Caller, at: datetime) -> None:
        """Add a caller or bring a known one up to date; its other keys are retired."""
        with self._store.begin() as tx:
            _write_caller(tx, new, at)
            _write_keys(tx, new, at)

    def seal(self, seal: Callable[[str, str], str]) -> int:
        """Seal the secrets that are not; ``seal`` gives the text to keep of a caller's. Returns how many there were."""
        kept = sa.func.coalesce(caller.c.otp_sealed, caller.c.otp_secret)
        with self._store.read() as tx:
            found = tx.execute(sa.select(caller.c.id, kept.label("secret")).where(kept.is_not(None))).all()
        plain = [
            (row.id, row.secret, made) for row in found if (made := seal(row.id, row.secret)) != row.secret
        ]
        for caller_id, secret, made in plain:
            with self._store.begin() as tx:
                mine = caller.update().where(caller.c.id == caller_id, kept == secret)
                tx.execute(mine.values(otp_sealed=made, otp_secret=None))
        return len(plain)

    def disable(self, caller_id: str) -> bool:
        """Refuse the caller from its next token on; False when nobody has this id."""
        with self._store.begin() as tx:
            change = caller.update().where(caller.c.id == caller_id).values(disabled=True)
            return tx.execute(change).rowcount == 1

    def sandbox_ids(self) -> list[str]:
        """The callers that were registered with published test keys and are not disabled."""
        with self._store.read() as tx:
            query = sa.select(caller.c.id).where(caller.c.sandbox, sa.not_(caller.c.disabled))
            return list(tx.execute(query.order_by(caller.c.id)).scalars())

    def unbound_ids(self) -> list[str]:
        """The wallets and terminals that may vouch for trades of any channel and are not disabled."""
        with self._store.read() as tx:
            query = sa.select(caller.c.id, caller.c.channels).where(
                caller.c.kind != CallerKind.STAFF, sa.not_(caller.c.disabled)
            )
            return [row.id for row in tx.execute(query.order_by(caller.c.id)) if row.channels is None]


def _write_caller(tx: Connection, new: Caller, at: datetime) -> None:
    row = {
        "kind": new.kind,
        "city": None if new.city is None else new.city.code,
        "terminal_no": None if new.terminal is None else new.terminal.digits,
        "wallet": new.wallet,
        "roles": list(new.roles),
        "otp_sealed": new.otp_secret,
        "otp_secret": None,
        "callback_url": new.callback_url,
        "channels": None if new.channels is None else list(new.channels),
        "disabled": new.disabled,
        "sandbox": new.sandbox,
    }
    if tx.execute(caller.update().where(caller.c.id == new.id).values(**row)).rowcount == 0:
        tx.execute(caller.insert().values(id=new.id, created_at=at, **row))


def _write_keys(tx: Connection, new: Caller, at: datetime) -> None:
    mine = caller_key.c.caller_id == new.id
    for kid, jwk in new.keys.items():
        change = caller_key.update().where(mine, caller_key.c.kid == kid)
        if tx.execute(change.values(jwk=dict(jwk), retired_at=None)).rowcount == 0:
            tx.execute(caller_key.insert().values(caller_id=new.id, kid=kid, jwk=dict(jwk), created_at=at))
    others = caller_key.update().where(mine, caller_key.c.kid.not_in(list(new.keys)))
    tx.execute(others.where(caller_key.c.retired_at.is_(None)).values(retired_at=at))
