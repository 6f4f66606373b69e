"""Every table of the platform: importing the models declares them."""

from __future__ import annotations

import sqlalchemy as sa

from ota.city_hosts import models as city_hosts_models
from ota.dialogue import models as dialogue_models
from ota.events import models as events_models
from ota.issuance import models as issuance_models
from ota.ledger import models as ledger_models
from ota.registry import models as registry_models
from ota.service_desk import models as service_desk_models
from ota.store import audit as audit_models
from ota.store import restores as restore_models
from ota.store import schema
from ota.topup import models as topup_models

MODELS = (
    dialogue_models,
    issuance_models,
    ledger_models,
    registry_models,
    topup_models,
    events_models,
    city_hosts_models,
    service_desk_models,
    audit_models,
    restore_models,
)
"""Importing them declares their tables."""


def metadata() -> sa.MetaData:
    """Every table of the platform."""
    return schema.metadata
