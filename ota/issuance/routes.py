"""The routes of issuance: what is offered, whether an element may take it, and the orders."""

from typing import Any

from ota.card.product import Product
from ota.cities.profile import City
from ota.dialogue.element import Opening
from ota.dialogue.service import Sessions
from ota.issuance.orders import IssuanceOrder
from ota.issuance.plan import PLAN
from ota.issuance.schemas import (
    ElementQuerySchema,
    EligibilityRequestSchema,
    EligibilitySchema,
    IssuanceListSchema,
    IssuanceSchema,
    NewIssuanceSchema,
    OffersSchema,
)
from ota.issuance.service import Issuances, NewIssuance, view
from ota.web.endpoint import Blueprint, caller, endpoint, find, idempotency_key

offers = Blueprint("offers", __name__, url_prefix="/v1", description="What can be issued")
blueprint = Blueprint(
    "issuances", __name__, url_prefix="/v1/issuances", description="Issuance of a blank card"
)


@offers.get("/products")
@endpoint(gives=OffersSchema, scope="product:read")
def list_products() -> dict[str, Any]:
    """Every card that can be issued now."""
    return {"products": [_offer(city, product) for city, product in find(Issuances).offers()]}


@offers.post("/eligibility")
@endpoint(takes=EligibilityRequestSchema, gives=EligibilitySchema, scope="product:read", is_order=True)
def check_eligibility(wanted: dict[str, str]) -> dict[str, Any]:
    """May this element take a card of this city now? Promises nothing."""
    found = find(Issuances).eligibility(caller(), wanted["city"], wanted["se_id"])
    return {
        "eligible": not found.conflicts,
        "conflicts": list(found.conflicts),
        "city": found.city.code.code,
        "product": found.city.product,
        "fee_fen": found.city.issuance_fee.amount,
        "limits": _limits(found.city),
    }


@blueprint.post("")
@endpoint(
    takes=NewIssuanceSchema,
    gives=IssuanceSchema,
    scope="issuance:write",
    status=201,
    idempotent=True,
    is_order=True,
)
def order_issuance(wanted: tuple[NewIssuance, Opening | None]) -> dict[str, Any]:
    """Order a blank card. An order that says what the element is gets its session and first batch at once."""
    new, opening = wanted
    order = find(Issuances).order(caller(), idempotency_key(), new, opening)
    if opening is None:
        return _view(order)
    opened = find(Sessions).open(caller(), PLAN, order.id, opening)
    return _view(order) | {"session": opened.view}


@blueprint.get("")
@endpoint(query=ElementQuerySchema, gives=IssuanceListSchema, scope="issuance:read")
def list_unfinished(asked: dict[str, str]) -> dict[str, Any]:
    """The caller's orders for an element that still need a session, oldest first."""
    orders = find(Issuances).unfinished(caller(), asked["se_id"])
    return {"orders": [_view(order) for order in orders]}


@blueprint.get("/<order_id>")
@endpoint(gives=IssuanceSchema, scope="issuance:read")
def show_issuance(order_id: str) -> dict[str, Any]:
    """An order: its state, the card, and what to do next."""
    return _view(find(Issuances).get(caller(), order_id))


@blueprint.post("/<order_id>/cancel")
@endpoint(gives=IssuanceSchema, scope="issuance:write", idempotent=True)
def cancel_issuance(order_id: str) -> dict[str, Any]:
    """Call an order off; one that is on the element already is cleared in its next session."""
    return _view(find(Issuances).cancel(caller(), order_id))


def _view(order: IssuanceOrder) -> dict[str, Any]:
    return view(order, find(Issuances).applications(order)) | {"session": None}


def _offer(city: City, product: Product) -> dict[str, Any]:
    return {
        "city": city.code.code,
        "city_name": {"en": city.name_en, "zh-CN": city.name_zh},
        "brand": city.brand,
        "product": product.name,
        "product_name": {"en": product.title.english, "zh-CN": product.title.chinese},
        "fee_fen": city.issuance_fee.amount,
        "limits": _limits(city),
    }


def _limits(city: City) -> dict[str, int]:
    return {
        "min_load_fen": city.limits.min_load.amount,
        "max_load_fen": city.limits.max_load.amount,
        "balance_ceiling_fen": city.limits.balance_ceiling.amount,
    }
