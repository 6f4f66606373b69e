"""The rows of city hosts: what was asked of them, and what they asked."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from ota.city_hosts.states import GrantState, HostedState
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime, choice

_OPEN = text("state IN ('asked', 'granted', 'voiding', 'confirming')")

hosted_load = Table(
    "hosted_load",
    metadata,
    Column("load_id", String(40), ForeignKey("load_attempt.id"), primary_key=True),
    Column("city", String(32), nullable=False),  # whose host: the name of its file
    Column("card_no", String(19), nullable=False),
    Column("state", choice(HostedState), nullable=False),
    Column("mac2", String(8), nullable=True),
    Column("tac", String(8), nullable=True),  # not verified while the load is only granted
    Column("tries", Integer, nullable=False),  # to ask the host again, then to tell it how it ended
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Few of very many: what a new load of the card and the sweep ask for.
    Index("ix_hosted_load_open", "card_no", "state", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

_GRANTED = text("state = 'granted'")

city_grant = Table(
    "city_grant",
    metadata,
    Column("city", String(32), primary_key=True),
    Column("load_id", String(64), primary_key=True),  # the city's own name for the load
    Column("card_no", String(19), nullable=False),
    Column("state", choice(GrantState), nullable=False),
    Column(
        "asked", Json, nullable=True
    ),  # the load as the city described it; NULL: voided before it was heard of
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(
        "uq_city_grant_live_per_card",
        "card_no",
        unique=True,
        sqlite_where=_GRANTED,
        postgresql_where=_GRANTED,
    ),
)
