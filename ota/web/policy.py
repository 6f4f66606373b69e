"""Deny by default: a route that does not say who may call it is not called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from flask import current_app, g, request

from ota.core.errors import NotAllowed, NotFound
from ota.web import scraping
from ota.web.bearer import authenticate
from ota.web.signed_messages import let_in

if TYPE_CHECKING:
    from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "ota_policy"
_MAX_PATH_VALUE = 128


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call a route: everybody, whoever's token carries the scope, or a city's host by its signature.

    ``is_order``: it makes something new, and is the first to be turned away when there is too much to do.
    ``scraped``: it shows figures, to whom the settings say (`ota.web.scraping`).
    """

    scope: str | None
    public: bool = False
    signed: bool = False
    is_order: bool = False
    scraped: bool = False

    def takes_a_place(self, method: str) -> bool:
        """Whether such a request is one of those that must not be too many: it does more than show how things are."""
        return not (self.scraped or (self.public and method == "GET"))


def declare(view: View, policy: Policy) -> View:
    """Attach the policy to a view function."""
    setattr(view, _ATTRIBUTE, policy)
    return view


def public(view: View) -> View:
    """Open a route to everybody."""
    return declare(view, Policy(scope=None, public=True))


def scraped(view: View) -> View:
    """Open a route to whoever may read the figures."""
    return declare(view, Policy(scope=None, scraped=True))


def policy_of(view: Callable[..., Any] | None) -> Policy | None:
    """The policy a view declared; None when it declared none."""
    found = getattr(view, _ATTRIBUTE, None)
    return found if isinstance(found, Policy) else None


def guard_routes(app: Flask) -> None:
    """Check every request against its route's policy before anything else is read."""
    app.before_request(_check)


def _check() -> None:
    if request.routing_exception is not None or request.endpoint is None:
        return  # no route: 404 or 405 follows
    policy = policy_of(current_app.view_functions.get(request.endpoint))
    if policy is None:
        raise NotAllowed(code="no_policy")
    if policy.signed:
        let_in()
    elif policy.scraped:
        scraping.let_in()
    elif not policy.public:
        g.principal = authenticate()
        if policy.scope is None or not g.principal.may(policy.scope):
            raise NotAllowed(code="scope_missing", details={"scope": policy.scope})
    _check_path_values()


def _check_path_values() -> None:
    """An id in a path is short and printable; anything else names nothing."""
    for value in (request.view_args or {}).values():
        if isinstance(value, str) and (len(value) > _MAX_PATH_VALUE or not value.isprintable()):
            raise NotFound
