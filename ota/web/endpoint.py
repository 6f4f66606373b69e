"""The one decorator of every route: policy, body in, answer out, idempotency, and its description.

::

    @blueprint.post("/<order_id>/payment")
    @endpoint(takes=PaymentNoticeSchema, gives=TopupSchema, scope="topup:write")
    def take_payment(order_id: str, notice: PaymentNotice) -> TopupView:
        return find(Topups).take_payment(order_id, notice)

The body arrives as the last positional argument, as whatever the schema's ``post_load`` makes of it; the
query, where a route declares one, arrives before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import marshmallow as ma
import orjson
from flask import Response, current_app, g

from ota.core.principal import Principal
from ota.web.idempotent import KEY_PARAMETER, answer_once
from ota.web.json_body import StrictParser
from ota.web.policy import Policy, declare

if TYPE_CHECKING:  # flask-smorest carries no types; its blueprint is Flask's with a description
    from flask import Blueprint as _Documented
else:
    from flask_smorest import Blueprint as _Documented

Service = TypeVar("Service")
View = Callable[..., Any]


class Blueprint(_Documented):
    """A blueprint whose bodies are parsed strictly; ``description`` is its tag's text in the API's description."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(
        self, name: str, import_name: str, *, url_prefix: str | None = None, description: str = ""
    ) -> None:
        more: dict[str, Any] = {} if TYPE_CHECKING else {"description": description}
        super().__init__(name, import_name, url_prefix=url_prefix, **more)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that was stored before it is sent, and goes out byte for byte."""

    body: bytes


_describe: Any = Blueprint("description", __name__)  # its decorators need an instance; it carries no route


def endpoint(  # noqa: PLR0913  one word each about a route
    *,
    takes: type[ma.Schema] | ma.Schema | None = None,
    query: type[ma.Schema] | None = None,
    gives: type[ma.Schema] | ma.Schema | None = None,
    scope: str | None = None,
    public: bool = False,
    signed: bool = False,
    status: int = 200,
    idempotent: bool = False,
    is_order: bool = False,
) -> Callable[[View], View]:
    """Declare a route; exactly one of ``scope``, ``public`` and ``signed`` (a city's host) must be given.

    ``idempotent`` makes the header Idempotency-Key mandatory and repeats the stored answer (PROTOCOL.md, Orders).
    ``is_order`` makes it one that is turned away first when there is too much to do (`ota.web.admission`).
    """
    if (scope is not None) + public + signed != 1:
        raise TypeError("a route declares one of a scope, public=True and signed=True")
    dump = _dumper(gives)

    def decorate(view: View) -> View:
        @wraps(view)
        def call(*body: Any, **path: Any) -> Response:
            return _answer(view(*path.values(), *body), dump, status)

        wrapped: View = answer_once(call) if idempotent else call
        if takes is not None:
            wrapped = _describe.arguments(takes, location="json")(wrapped)
        if query is not None:
            wrapped = _describe.arguments(query, location="query", unknown=ma.RAISE)(wrapped)
        policy = Policy(scope, public, signed, is_order)
        return declare(_described(wrapped, gives, status, policy, idempotent=idempotent), policy)

    return decorate


def find(kind: type[Service]) -> Service:
    """The service of this type, as the wiring built it."""
    return cast(Service, current_app.extensions["ota"][kind])


def caller() -> Principal:
    """Who sent this request."""
    return cast(Principal, g.principal)


def visiting_city() -> str:
    """The name of the city whose host sent this request; its route declares ``signed=True``."""
    return cast(str, g.visit.city)


def idempotency_key() -> str:
    """The Idempotency-Key of this request; its route declares ``idempotent=True``."""
    return cast(str, g.idempotency_key)


def _dumper(gives: type[ma.Schema] | ma.Schema | None) -> Callable[[Any], bytes]:
    schema = gives() if isinstance(gives, type) else gives
    return orjson.dumps if schema is None else lambda value: orjson.dumps(schema.dump(value))


def _answer(value: Any, dump: Callable[[Any], bytes], status: int) -> Response:
    if isinstance(value, Response):
        return value
    body = value.body if isinstance(value, StoredAnswer) else dump(value)
    return Response(body, status, mimetype="application/json")


def _described(
    view: View, gives: type[ma.Schema] | ma.Schema | None, status: int, policy: Policy, *, idempotent: bool
) -> View:
    # A refused body is described by the default problem; flask-smorest's own note names another media type.
    getattr(view, "_apidoc", {}).get("arguments", {}).pop("responses", None)
    view = _describe.response(status, gives)(view)
    more: dict[str, Any] = (
        {} if policy.public else {"security": [{"accessToken": []}], "x-scope": policy.scope}
    )
    if policy.signed:
        more = {"security": [{"messageSignature": []}]}
    if idempotent:
        more["parameters"] = [KEY_PARAMETER]
    return cast(View, _describe.doc(**more)(view))
