"""POST /v1/token: an assertion in, an access token out (RFC 6749 4.4 with RFC 7523 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
import orjson
from flask import Response, current_app
from webargs.multidictproxy import MultiDictProxy

from ota.core.clock import Clock
from ota.core.errors import BadRequest
from ota.core.principal import CallerKind
from ota.web.assertions import AssertionCheck, InvalidClient
from ota.web.endpoint import Blueprint
from ota.web.json_body import StrictParser, WrongMediaType
from ota.web.policy import public
from ota.web.ports import Caller, Codes, SecondFactors
from ota.web.scopes import scopes_of
from ota.web.tokens import Tokens

_FORM = "application/x-www-form-urlencoded"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

blueprint = Blueprint("token", __name__, url_prefix="/v1", description="Who calls, and how they prove it.")


class InvalidScope(BadRequest):
    """A scope was asked for that this caller may not have."""

    code = "invalid_scope"
    oauth_error = "invalid_scope"
    english = "This caller may not have one of the scopes asked for."
    chinese = "该调用方无权申请所请求的权限。"


class OtpWrong(InvalidClient):
    """A staff member's one-time password is missing, wrong or used."""

    code = "otp_wrong"
    english = "Staff need the one-time password of their second factor, each one once."
    chinese = "员工须提供第二因素的一次性口令, 且每个口令仅可使用一次。"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The form of the token request."""

    assertion: str
    scope: str | None
    otp: str | None


class TokenRequestSchema(ma.Schema):
    """grant_type, client_assertion_type and client_assertion as in RFC 7523 2.2; staff add their OTP."""

    grant_type = ma.fields.String(required=True, validate=ma.validate.Equal("client_credentials"))
    client_assertion_type = ma.fields.String(required=True, validate=ma.validate.Equal(_ASSERTION_TYPE))
    client_assertion = ma.fields.String(required=True, validate=ma.validate.Length(1, 4096))
    client_id = ma.fields.String(validate=ma.validate.Length(1, 64))
    scope = ma.fields.String(validate=ma.validate.Length(1, 512))
    otp = ma.fields.String(validate=ma.validate.Regexp(r"\A[0-9]{6}\Z"))

    @ma.post_load
    def build(self, data: dict[str, Any], **_: Any) -> TokenRequest:
        """Name the parts."""
        return TokenRequest(data["client_assertion"], data.get("scope"), data.get("otp"))


class TokenSchema(ma.Schema):
    """The answer of RFC 6749 5.1."""

    access_token = ma.fields.String(required=True)
    token_type = ma.fields.String(required=True)
    expires_in = ma.fields.Integer(required=True, metadata={"description": "seconds"})
    scope = ma.fields.String(required=True)


@dataclass(frozen=True, slots=True)
class TokenDesk:
    """Turns accepted assertions into access tokens."""

    check: AssertionCheck
    tokens: Tokens
    second_factors: SecondFactors
    codes: Codes
    clock: Clock

    def exchange(self, wanted: TokenRequest) -> dict[str, object]:
        """The token answer.

        Raises InvalidClient, TokenReplayed, OtpWrong, SecondFactorPaused, SecondFactorLocked or InvalidScope.
        """
        caller = self.check.accept(wanted.assertion)
        if caller.kind is CallerKind.STAFF:
            self._check_second_factor(caller, wanted.otp)
        scopes = _granted(scopes_of(caller.kind, caller.roles), wanted.scope)
        return {
            "access_token": self.tokens.issue_access(caller, scopes),
            "token_type": "Bearer",
            "expires_in": int(self.tokens.access_life.total_seconds()),
            "scope": " ".join(sorted(scopes)),
        }

    def _check_second_factor(self, caller: Caller, otp: str | None) -> None:
        if caller.otp_secret is None or otp is None:
            raise OtpWrong
        self.second_factors.begin_try(caller.id)
        step = self.codes.matching_step(caller.id, caller.otp_secret, otp, self.clock.now())
        if step is None or not self.second_factors.accept(caller.id, step):
            raise OtpWrong


def _granted(possible: frozenset[str], wanted: str | None) -> frozenset[str]:
    if wanted is None:
        return possible
    scopes = frozenset(wanted.split(" "))
    if not scopes <= possible:
        raise InvalidScope
    return scopes


class _FormParser(StrictParser):
    """The same strictness for the one form of the platform."""

    def load_form(self, req: Any, schema: ma.Schema) -> MultiDictProxy:
        """Read the form; raises WrongMediaType, or BadRequest for a repeated parameter (RFC 6749 3.2)."""
        if req.mimetype != _FORM:
            raise WrongMediaType(_FORM)
        if any(len(values) > 1 for _, values in req.form.lists()):
            raise BadRequest(code="repeated_parameter")
        return self._makeproxy(req.form, schema)


class _FormBlueprint(Blueprint):
    ARGUMENTS_PARSER = _FormParser()


_describe: Any = _FormBlueprint("form", __name__)


def _decorated(view: Callable[..., Response]) -> Callable[..., Response]:
    view = _describe.arguments(TokenRequestSchema, location="form", unknown=ma.RAISE)(view)
    view._apidoc["arguments"].pop("responses")  # type: ignore[attr-defined]  # noqa: SLF001  see endpoint._described
    view = _describe.response(200, TokenSchema)(view)
    return public(view)


@blueprint.post("/token")
@_decorated
def token(wanted: TokenRequest) -> Response:
    """Exchange a client assertion for an access token."""
    desk: TokenDesk = current_app.extensions["ota.token_desk"]
    body = orjson.dumps(desk.exchange(wanted))
    return Response(body, mimetype="application/json", headers={"Cache-Control": "no-store"})  # RFC 6749 5.1
