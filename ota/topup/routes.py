"""The routes of top-up."""

from typing import Any

from ota.core.values import CardNumber
from ota.dialogue.element import Opening
from ota.dialogue.service import Sessions
from ota.topup.orders import TopupOrder
from ota.topup.plan import PLAN
from ota.topup.refund_rows import Refund
from ota.topup.refunds import Refunds
from ota.topup.schemas import (
    CardQuerySchema,
    NewTopupSchema,
    PaymentNoticeSchema,
    RefundListSchema,
    TopupListSchema,
    TopupSchema,
)
from ota.topup.service import MONEY_PLACES, NewTopup, Topups, next_step
from ota.topup.states import TopupState
from ota.web.endpoint import Blueprint, caller, endpoint, find, idempotency_key

blueprint = Blueprint("topups", __name__, url_prefix="/v1/topups", description="Top-up of a card")


@blueprint.post("")
@endpoint(
    takes=NewTopupSchema, gives=TopupSchema, scope="topup:write", status=201, idempotent=True, is_order=True
)
def order_topup(wanted: tuple[NewTopup, Opening | None]) -> dict[str, Any]:
    """Order a top-up. A paid order that says what the element is gets its session and first batch at once."""
    new, opening = wanted
    order = find(Topups).order(caller(), idempotency_key(), new)
    if opening is None or order.state in (TopupState.CREATED, TopupState.HELD):
        return topup_view(order)
    opened = find(Sessions).open(caller(), PLAN, order.id, opening)
    return topup_view(order) | {"session": opened.view}


@blueprint.get("")
@endpoint(query=CardQuerySchema, gives=TopupListSchema, scope="topup:read")
def list_unfinished(asked: dict[str, str]) -> dict[str, Any]:
    """The caller's paid orders of a card whose money is not in the purse yet, oldest first."""
    orders = find(Topups).unfinished(caller(), CardNumber(asked["card_no"]))
    return {"orders": [topup_view(order) for order in orders]}


@blueprint.get("/<order_id>")
@endpoint(gives=TopupSchema, scope="topup:read")
def show_topup(order_id: str) -> dict[str, Any]:
    """An order: its state, where the money is, and what to do next."""
    return topup_view(find(Topups).get(caller(), order_id))


@blueprint.post("/<order_id>/payment")
@endpoint(takes=PaymentNoticeSchema, gives=TopupSchema, scope="topup:write", idempotent=True)
def take_payment(order_id: str, payment: str) -> dict[str, Any]:
    """Pay for an order; the same payment again changes nothing."""
    return topup_view(find(Topups).take_payment(caller(), order_id, payment))


@blueprint.post("/<order_id>/cancel")
@endpoint(gives=TopupSchema, scope="topup:write", idempotent=True)
def cancel_topup(order_id: str) -> dict[str, Any]:
    """Call off an order that is not paid."""
    return topup_view(find(Topups).cancel(caller(), order_id))


@blueprint.post("/<order_id>/refund")
@endpoint(gives=TopupSchema, scope="topup:write", idempotent=True)
def refund_topup(order_id: str) -> dict[str, Any]:
    """Give the money of a paid order back; refused while the card may hold it."""
    return topup_view(find(Refunds).request(caller(), order_id))


@blueprint.get("/<order_id>/refunds")
@endpoint(gives=RefundListSchema, scope="topup:read")
def list_refunds(order_id: str) -> dict[str, Any]:
    """What goes back of an order's payments, also of those that did not fit it."""
    return {"refunds": [refund_view(refund) for refund in find(Refunds).of_order(caller(), order_id)]}


def refund_view(refund: Refund) -> dict[str, Any]:
    """A refund as callers see it."""
    return {
        "refund_id": refund.id,
        "payment_id": refund.payment_id,
        "refund_key": refund.key,
        "amount_fen": refund.amount.amount,
        "reason": str(refund.reason),
        "state": str(refund.state),
    }


def topup_view(order: TopupOrder) -> dict[str, Any]:
    """An order as callers see it."""
    return {
        "order_id": order.id,
        "state": str(order.state),
        "card_no": order.card.digits,
        "city": order.city.code,
        "amount_fen": order.amount.amount,
        "money": MONEY_PLACES[order.state],
        "next_step": next_step(order),
        "session": None,
    }
