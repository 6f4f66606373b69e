"""Every route of the platform."""

from __future__ import annotations

from collections.abc import Sequence

from ota.city_hosts import routes as city_hosts_routes
from ota.dialogue import routes as dialogue_routes
from ota.events import routes as events_routes
from ota.issuance import routes as issuance_routes
from ota.registry import routes as registry_routes
from ota.service_desk import routes as service_desk_routes
from ota.terminal import routes as terminal_routes
from ota.topup import routes as topup_routes
from ota.web.endpoint import Blueprint

BLUEPRINTS: Sequence[Blueprint] = (
    issuance_routes.offers,
    issuance_routes.blueprint,
    topup_routes.blueprint,
    dialogue_routes.blueprint,
    registry_routes.blueprint,
    events_routes.blueprint,
    terminal_routes.blueprint,
    city_hosts_routes.blueprint,
    service_desk_routes.blueprint,
)
