"""Every error as application/problem+json (RFC 9457): the only map from our errors to HTTP."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import marshmallow as ma
import orjson
from flask import Response, g, request
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException

from ota.core import errors
from ota.web.admission import Overloaded

if TYPE_CHECKING:
    from flask import Flask

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_STATUS_BY_CODE = {
    "idempotency_key_reused": 422,
    "invalid_scope": 400,
    "otp_paused": 429,
    "request_too_large": 413,
    "unsupported_media_type": 415,
}

_STATUS: tuple[tuple[type[errors.OtaError], int], ...] = (  # the first class that fits decides
    (errors.InvalidValue, 422),  # it fits the route's schema, and still cannot be
    (errors.InvalidReport, 422),
    (errors.BadRequest, 400),
    (errors.Unauthenticated, 401),
    (errors.NotAllowed, 403),
    (errors.NotFound, 404),
    (errors.Unavailable, 503),
    (errors.Conflict, 409),
    (errors.Refused, 422),
    (errors.CardProblem, 422),
    (errors.IntegrityProblem, 422),
)

_HTTP_ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("bad_request", "The request is not well formed.", "请求格式不正确。"),
    404: ("not_found", "There is no such thing here.", "未找到。"),
    405: ("method_not_allowed", "This method is not offered here.", "不支持该请求方法。"),
    413: ("request_too_large", "The request is larger than 64 KiB.", "请求超过 64 KiB。"),
    415: ("unsupported_media_type", "The body is not of the media type asked for.", "不支持的媒体类型。"),
}


class ProblemSchema(ma.Schema):
    """An error: what callers program against is `code`; `message` is for people, in their language."""

    type = ma.fields.String(required=True, metadata={"description": "urn:ota:problem: and the code"})
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(required=True)
    retryable = ma.fields.Boolean(required=True)
    next_action = ma.fields.String(
        required=True, validate=ma.validate.OneOf([action.value for action in errors.NextAction])
    )
    request_id = ma.fields.String(required=True)
    details = ma.fields.Dict(metadata={"description": "What the code is about, such as the field's name"})
    error = ma.fields.String(metadata={"description": "The word of RFC 6749 5.2; at /v1/token only"})


class InternalError(errors.OtaError):
    """The platform made a mistake; the log has it under the request id."""

    code = "internal"
    retryable = True
    next_action = errors.NextAction.RETRY_SAME_KEY
    english = "The platform made a mistake. Repeat the request with the same key, or name the request id."
    chinese = "平台内部错误, 请使用相同幂等键重试, 或提供请求编号。"


def handle_errors(app: Flask) -> None:
    """Answer every exception of this application as a problem."""
    app.register_error_handler(errors.OtaError, problem)
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(DataError, _out_of_range)
    app.register_error_handler(Exception, _mistake)


def status_of(error: errors.OtaError) -> int:
    """The HTTP status of an error; 500 for one that no class above claims."""
    if error.problem_code in _STATUS_BY_CODE:
        return _STATUS_BY_CODE[error.problem_code]
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(error: errors.OtaError) -> Response:
    """Render one error in the caller's language."""
    status = status_of(error)
    if status >= 500 and not isinstance(error, Overloaded):  # those are counted: there are too many to tell
        _log.error("answered %s with code %s", status, error.problem_code, exc_info=error)
    language = _language()
    body: dict[str, object] = {
        "type": f"urn:ota:problem:{error.problem_code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message[language],
        "code": error.problem_code,
        "retryable": error.may_retry,
        "next_action": error.action.value,
        "request_id": g.get("request_id", ""),
    }
    if error.details:
        body["details"] = dict(error.details)
    if oauth := getattr(error, "oauth_error", None):
        body["error"] = oauth
    answer = Response(orjson.dumps(body, default=str), status, mimetype=MEDIA_TYPE)
    answer.headers["Content-Language"] = language
    answer.headers["Cache-Control"] = "no-store"
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status == 429:
        answer.headers["Retry-After"] = str(error.details["retry_after_s"])
    if status == 503:
        answer.headers["Retry-After"] = "2"
    return answer


def _language() -> str:
    """Chinese or English, whichever the caller would rather read; every kind of Chinese gets ours."""
    for wanted in request.accept_languages.values():
        if wanted.lower().startswith(("zh", "en")):
            return "zh-CN" if wanted.lower().startswith("zh") else "en"
    return "en"


def _http_problem(error: HTTPException) -> Response:
    code = error.code or 500
    name, english, chinese = _HTTP_ERRORS.get(code, ("bad_request", error.name, "请求无法处理。"))
    if code >= 500:
        return problem(InternalError())
    answer = problem(errors.BadRequest(code=name, english=english, chinese=chinese))
    answer.status_code = code
    answer.data = orjson.dumps(orjson.loads(answer.data) | {"status": code, "title": HTTPStatus(code).phrase})
    for header, value in error.get_headers():
        if header.lower() == "allow":  # RFC 9110 15.5.6: a 405 names what is allowed
            answer.headers[header] = value
    return answer


def _out_of_range(error: DataError) -> Response:
    # A value that no column can hold came from outside: the schemas should have refused it, so it is logged.
    _log.error("a value passed its schema and did not fit its column", exc_info=error)
    return problem(errors.BadRequest(code="invalid_value"))


def _mistake(error: Exception) -> Response:
    _log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problem(InternalError())
