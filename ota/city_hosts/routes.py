"""The routes of cities' hosts: the messages that this platform sends to a self-issuing city, the other way round."""

from typing import Any

from ota.city_hosts.schemas import (
    CityAuthoriseSchema,
    CityCheckedSchema,
    CityCheckSchema,
    CityConfirmSchema,
    CityLoadNameSchema,
    CityLoadSchema,
)
from ota.city_hosts.service import CityLoads, LoadName, Question
from ota.city_hosts.states import GrantState
from ota.core.values import Mac4
from ota.web.endpoint import Blueprint, endpoint, find, visiting_city

blueprint = Blueprint(
    "city-hosts",
    __name__,
    url_prefix="/v1/cities",
    description="A city's own platform asks about its own cards",
)


@blueprint.post("/loads/check")
@endpoint(takes=CityCheckSchema, gives=CityCheckedSchema, signed=True)
def check(question: Question) -> dict[str, Any]:
    """Look whether a card's MAC1 holds; changes nothing."""
    find(CityLoads).check(visiting_city(), question)
    return {
        "card_no": question.card.digits,
        "online_atc": question.load.answer.online_atc,
        "mac1": "holds",
    }


@blueprint.post("/loads/authorise")
@endpoint(takes=CityAuthoriseSchema, gives=CityLoadSchema, signed=True)
def authorise(wanted: Question) -> dict[str, Any]:
    """MAC2 for a load; the same load id and load get the same one."""
    mac2 = find(CityLoads).authorise(visiting_city(), wanted)
    about = _view(LoadName(wanted.load_id, wanted.card), "authorised", mac2)
    return about | {"online_atc": wanted.load.answer.online_atc}


@blueprint.post("/loads/confirm")
@endpoint(takes=CityConfirmSchema, gives=CityLoadSchema, signed=True)
def confirm(told: tuple[LoadName, Mac4 | None]) -> dict[str, Any]:
    """Tell that a load is in the purse, with the card's TAC."""
    about, tac = told
    find(CityLoads).confirm(visiting_city(), about, tac)
    return _view(about, GrantState.LOADED)


@blueprint.post("/loads/void")
@endpoint(takes=CityLoadNameSchema, gives=CityLoadSchema, signed=True)
def void(about: LoadName) -> dict[str, Any]:
    """Tell that a load will not happen."""
    find(CityLoads).void(visiting_city(), about)
    return _view(about, GrantState.VOID)


@blueprint.post("/loads/query")
@endpoint(takes=CityLoadNameSchema, gives=CityLoadSchema, signed=True)
def query(about: LoadName) -> dict[str, Any]:
    """Tell what is known of a load; changes nothing."""
    state, mac2 = find(CityLoads).query(visiting_city(), about)
    return _view(about, _WORDS[state], mac2)


_WORDS = {
    None: "unheard",
    GrantState.GRANTED: "authorised",
    GrantState.LOADED: "loaded",
    GrantState.VOID: "void",
}


def _view(about: LoadName, state: str, mac2: Mac4 | None = None) -> dict[str, Any]:
    view = {"load_id": about.load_id, "card_no": about.card.digits, "state": str(state)}
    return view if mac2 is None else view | {"mac2": mac2.value.hex().upper()}
