"""The API's own description: /openapi.json (OpenAPI 3.1) and /docs, from the schemas that parse the requests."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from flask import Blueprint as PlainBlueprint
from flask import Response, current_app
from flask_smorest import Api  # type: ignore[import-untyped]
from flask_smorest.utils import prepare_response  # type: ignore[import-untyped]

from ota.core.errors import NotFound
from ota.web.policy import public
from ota.web.problems import MEDIA_TYPE, ProblemSchema, handle_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask

    from ota.web.endpoint import Blueprint

_ASSETS = (
    files("flask_swagger_ui") / "dist"
)  # Swagger UI, shipped in a wheel: nothing comes from a CDN at run time
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}
_PAGE_POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"

pages = PlainBlueprint("docs", __name__, url_prefix="/docs/assets")

CONFIG = {
    "API_TITLE": "OTA: transit cards over the air",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "OPENAPI_JSON_PATH": "openapi.json",
    "OPENAPI_SWAGGER_UI_PATH": "docs",
    "OPENAPI_SWAGGER_UI_URL": "/docs/assets/",
    "OPENAPI_SWAGGER_UI_CONFIG": {"deepLinking": True, "tryItOutEnabled": False},
}


class _Described(Api):  # type: ignore[misc]
    """flask-smorest's API with our problems instead of its errors."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        handle_errors(self._app)

    def _register_responses(self) -> None:
        """Every operation refers to this one for whatever it does not answer with success."""
        problem = {
            "description": "A problem: `code`, whether a retry helps, and what to do next.",
            "schema": ProblemSchema,
        }
        prepare_response(problem, self.spec, MEDIA_TYPE)
        self.spec.components.response(self.DEFAULT_ERROR_RESPONSE_NAME, problem, lazy=True)


def describe(app: Flask, blueprints: Iterable[Blueprint]) -> None:
    """Register the subjects' blueprints and the pages that describe them."""
    app.config.update(CONFIG)
    api = _Described(app)
    api.spec.components.security_scheme(
        "accessToken",
        {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of POST /v1/token, or a session token.",
        },
    )
    api.spec.components.security_scheme(
        "messageSignature",
        {
            "type": "apiKey",
            "in": "header",
            "name": "Signature",
            "description": "HTTP Message Signatures (RFC 9421) over method, path, content-digest and date, by ES256.",
        },
    )
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    app.register_blueprint(pages)
    app.extensions["ota.openapi"] = _in_ecma(api.spec.to_dict())
    app.view_functions["api-docs.openapi_json"] = _document
    app.view_functions["api-docs.openapi_swagger_ui"] = _page(
        app.view_functions["api-docs.openapi_swagger_ui"]
    )


def openapi(app: Flask) -> dict[str, Any]:
    """The description as a dictionary."""
    found: dict[str, Any] = app.extensions["ota.openapi"]
    return found


@public
def _document() -> Response:
    return Response(orjson.dumps(current_app.extensions["ota.openapi"]), mimetype="application/json")


def _page(view: Callable[[], Any]) -> Callable[[], Response]:
    @public
    def page() -> Response:
        return Response(view(), mimetype="text/html", headers={"Content-Security-Policy": _PAGE_POLICY})

    return page


def _in_ecma(value: Any) -> Any:
    r"""Spell patterns as JSON Schema wants them (ECMA-262): Python's ``\A`` and ``\Z`` are ``^`` and ``$`` there."""
    if isinstance(value, list):
        return [_in_ecma(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item.replace(r"\A", "^").replace(r"\Z", "$")
        if name == "pattern" and isinstance(item, str)
        else _in_ecma(item)
        for name, item in value.items()
    }


@pages.get("/<name>")
@public
def asset(name: str) -> Response:
    """One file of Swagger UI."""
    if name not in _FILES:
        raise NotFound
    body = (_ASSETS / name).read_bytes()
    return Response(body, mimetype=_FILES[name], headers={"Cache-Control": "public, max-age=86400"})
