"""What each kind of caller may ask for. A route names one of these; a staff member's roles name several."""

from __future__ import annotations

from types import MappingProxyType

from ota.core.principal import CallerKind

PHONE_SCOPES = frozenset({"session:read", "session:report"})
"""Enough to carry a session on and to end it; another one is opened by its wallet."""

STAFF_ROLES = MappingProxyType(
    {
        "agent": frozenset({"card:read", "order:read", "decision:read", "decision:propose"}),
        "supervisor": frozenset(
            {
                "card:read",
                "order:read",
                "report:read",
                "decision:read",
                "decision:propose",
                "decision:approve",
            }
        ),
        "operator": frozenset({"number:read", "number:write", "report:read"}),
        "auditor": frozenset({"card:read", "order:read", "report:read", "decision:read", "audit:read"}),
    }
)
"""A staff member's role and what it may; money needs a second person besides."""

_BY_KIND = MappingProxyType(
    {
        CallerKind.WALLET: frozenset(
            {
                "product:read",
                "issuance:read",
                "issuance:write",
                "topup:read",
                "topup:write",
                "card:read",
                "session:open",
                "session:read",
                "session:report",
                "event:read",
            }
        ),
        CallerKind.PHONE: PHONE_SCOPES,
        CallerKind.TERMINAL: frozenset({"terminal:load", "terminal:read"}),
        CallerKind.STAFF: frozenset[str](),
    }
)

ALL_SCOPES = frozenset[str]().union(*_BY_KIND.values(), *STAFF_ROLES.values())


def scopes_of(kind: CallerKind, roles: tuple[str, ...]) -> frozenset[str]:
    """Everything a caller of this kind with these roles may have in a token; an unknown role adds nothing."""
    return _BY_KIND[kind].union(*(STAFF_ROLES.get(role, frozenset()) for role in roles))
