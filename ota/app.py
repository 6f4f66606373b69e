"""The HTTP door: builds the Flask application from the wiring."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from typing import Any

from flask import Flask

from ota import settings as configuration
from ota import wiring
from ota.settings import Server
from ota.web import authentication, health, jwks, metrics
from ota.web.admission import Gate, Room, admit
from ota.web.bodies import Bodies, take_in
from ota.web.description import describe
from ota.web.figures import DOOR as FIGURES
from ota.web.figures import Lookout
from ota.web.health import Readiness
from ota.web.json_body import MAX_BODY, OrjsonProvider
from ota.web.logs import configure_logging
from ota.web.policy import guard_routes
from ota.web.request_log import name_requests
from ota.web.scraping import DOOR as SCRAPING
from ota.web.signed_messages import DOOR, sign_answers

_STOP_PATIENCE_S = 5.0
_ORPHAN_PATIENCE_S = 3.0


def create_app(built: wiring.Wiring, gate: Gate | None = None, bodies: Bodies | None = None) -> Flask:
    """The application with every subject's routes; nothing is started by building it.

    Without a gate all come in, without ``bodies`` any number of bodies may be on their way.
    """
    app = Flask("ota", static_folder=None)
    app.json = OrjsonProvider(app)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # a route answers what it declares
    )
    app.url_map.merge_slashes = False  # //v1/token is no route, rather than a redirect to one
    app.extensions |= found_by_routes(built)
    name_requests(app)
    metrics.count_requests(app)
    if bodies is not None:
        take_in(app, bodies)
    if gate is not None:
        admit(app, gate)
    guard_routes(app)
    sign_answers(app)
    describe(app, [authentication.blueprint, *built.blueprints])
    app.register_blueprint(health.blueprint)
    app.register_blueprint(jwks.blueprint)
    return app


def found_by_routes(built: wiring.Wiring) -> dict[str, Any]:
    """What the web layer looks up in the application, by its name there."""
    return {
        "ota": built.services,
        "ota.tokens": built.tokens,
        "ota.token_desk": built.token_desk,
        "ota.idempotency": built.idempotency,
        "ota.readiness": Readiness(built.checks, built.asides),
        DOOR: built.city_door,
        FIGURES: Lookout(built.figures),
        SCRAPING: wiring.open_scraping(built.settings),
    }


def application() -> Flask:
    """What a server process runs: settings from the environment, the wiring, and the thread for jobs."""
    settings = configuration.load()
    configure_logging(settings.log.level)
    end_with_parent()
    built = wiring.build(settings)
    if settings.jobs.runner == "embedded":
        start_jobs(built)
    else:  # the sweeps run in `ota worker`, but this process has its own counts
        stop = threading.Event()
        threading.Thread(
            target=built.key_uses.flush_until, args=(stop,), name="key uses", daemon=True
        ).start()
    return create_app(built, Gate(_room(settings.server)), Bodies(settings.server.waiting_bodies))


def end_with_parent() -> None:
    """End this process when the server that started it is killed: it would go on answering and hold the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_PATIENCE_S)
    os._exit(1)  # whatever still runs is cut short, as by the kill that its parent got


def _room(server: Server) -> Room:
    """A slot per thread that works; those who wait have threads of their own (see ``ota serve``)."""
    return Room(server.threads, min(server.reserved_threads, server.threads - 1), server.waiting_orders)


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
