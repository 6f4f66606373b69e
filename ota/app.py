"""The HTTP door: builds the Flask application from the wiring."""

from __future__ import annotations

import atexit
import threading

from flask import Flask

from ota import settings as configuration
from ota import wiring
from ota.web import authentication, health, metrics
from ota.web.description import describe
from ota.web.health import Readiness
from ota.web.json_body import MAX_BODY, OrjsonProvider
from ota.web.logs import configure_logging
from ota.web.policy import guard_routes
from ota.web.request_log import name_requests

_STOP_PATIENCE_S = 5.0


def create_app(built: wiring.Wiring) -> Flask:
    """The application with every subject's routes; nothing is started by building it."""
    app = Flask("ota", static_folder=None)
    app.json = OrjsonProvider(app)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # a route answers what it declares
    )
    app.url_map.merge_slashes = False  # //v1/token is no route, rather than a redirect to one
    app.extensions |= {
        "ota": built.services,
        "ota.tokens": built.tokens,
        "ota.token_desk": built.token_desk,
        "ota.idempotency": built.idempotency,
        "ota.readiness": Readiness(built.checks),
    }
    name_requests(app)
    metrics.count_requests(app)
    guard_routes(app)
    describe(app, [authentication.blueprint, *built.blueprints])
    app.register_blueprint(health.blueprint)
    return app


def application() -> Flask:
    """What a server process runs: settings from the environment, the wiring, and the thread for jobs."""
    settings = configuration.load()
    configure_logging(settings.log.level)
    built = wiring.build(settings)
    if settings.jobs.runner == "embedded":
        start_jobs(built)
    return create_app(built)


def start_jobs(built: wiring.Wiring) -> threading.Event:
    """Run the outbox in a thread; every server process may have one, since rows are claimed.

    The returned event stops it. A run that is cut short is made again after its lease.
    """
    stop = threading.Event()
    thread = threading.Thread(
        target=built.runner.run_until, args=(stop, built.settings.jobs.poll_s), name="jobs", daemon=True
    )
    thread.start()

    def finish() -> None:
        stop.set()
        thread.join(_STOP_PATIENCE_S)

    atexit.register(finish)
    return stop
