"""The route of a card."""

from typing import Any

from ota.registry.schemas import CardSchema
from ota.registry.service import Cards
from ota.web.endpoint import Blueprint, caller, endpoint, find

blueprint = Blueprint(
    "cards", __name__, url_prefix="/v1/cards", description="Cards as the registry knows them"
)


@blueprint.get("/<card_no>")
@endpoint(gives=CardSchema, scope="card:read")
def show_card(card_no: str) -> dict[str, Any]:
    """A card: its city, its state, and where it lives."""
    found = find(Cards).get(caller(), card_no)
    return {
        "card_no": found.number.digits,
        "city": found.city.code,
        "product": found.product,
        "state": str(found.state),
        "se_id": found.se_id,
        "next_online_atc": found.last_atc,
    }
