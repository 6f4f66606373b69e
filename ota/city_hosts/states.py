"""What may happen to a load that was asked of a city's host, and to one that a city asked of this platform."""

from enum import StrEnum

from ota.core.machine import Machine


class HostedState(StrEnum):
    """How far the platform and a city's host agree about a load."""

    ASKED = "asked"
    """The host may have heard; its MAC2 has not been passed on."""
    GRANTED = "granted"
    """MAC2 is written down and may be passed on; or a restore forgot it, and it may have been."""
    REFUSED = "refused"
    UNHEARD = "unheard"
    """The host was not reached."""
    VOIDING = "voiding"
    """The load will not happen or did not; the host is to be told until it acknowledges."""
    VOID = "void"
    CONFIRMING = "confirming"
    """The card's counter proved the load; the host is to be told until it acknowledges."""
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    """The host says the opposite: the card is frozen and a person decides."""


class HostedEvent(StrEnum):
    """What the host, the card or time make of it."""

    GRANTED = "granted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    WITHDRAWN = "withdrawn"
    PROVEN = "proven"
    VOID_TAKEN = "void_taken"
    CONFIRM_TAKEN = "confirm_taken"
    CONTRADICTED = "contradicted"
    FORGOTTEN = "forgotten"
    """The database went back to a moment at which the host was only asked: what came of that is not known here."""
    TAKEN_BACK = "taken_back"
    """Two people had confirmed the load, the card has disproved it, and they have reversed their word."""


_S, _E = HostedState, HostedEvent

HOSTED = Machine[HostedState, HostedEvent](
    "load at a city host",
    {
        (_S.ASKED, _E.GRANTED): _S.GRANTED,
        (_S.ASKED, _E.REFUSED): _S.REFUSED,
        (_S.ASKED, _E.NOT_SENT): _S.UNHEARD,
        (_S.ASKED, _E.WITHDRAWN): _S.VOIDING,
        (_S.ASKED, _E.FORGOTTEN): _S.GRANTED,  # the card decides, as if MAC2 had been passed on
        (_S.GRANTED, _E.WITHDRAWN): _S.VOIDING,  # the card has proved that the load did not arrive
        (_S.GRANTED, _E.PROVEN): _S.CONFIRMING,
        (_S.GRANTED, _E.CONFIRM_TAKEN): _S.CONFIRMED,  # the host itself verified the TAC
        (_S.VOIDING, _E.VOID_TAKEN): _S.VOID,
        (_S.VOIDING, _E.CONTRADICTED): _S.DISPUTED,
        (_S.VOID, _E.CONTRADICTED): _S.DISPUTED,  # the city has a TAC for it
        (_S.CONFIRMING, _E.CONFIRM_TAKEN): _S.CONFIRMED,
        (_S.CONFIRMING, _E.CONTRADICTED): _S.DISPUTED,
        (_S.GRANTED, _E.TAKEN_BACK): _S.VOIDING,
        (_S.CONFIRMING, _E.TAKEN_BACK): _S.VOIDING,
        (_S.CONFIRMED, _E.TAKEN_BACK): _S.VOIDING,  # the city may say the opposite: then DISPUTED
    },
)


class GrantState(StrEnum):
    """What is known of a load that a city asked of this platform."""

    GRANTED = "granted"
    LOADED = "loaded"
    VOID = "void"


class GrantEvent(StrEnum):
    """What the city, or the card's TAC, says of it."""

    TAC_VERIFIED = "tac_verified"
    VOIDED = "voided"


_G, _V = GrantState, GrantEvent

GRANT = Machine[GrantState, GrantEvent](
    "city's load",
    {
        (_G.GRANTED, _V.TAC_VERIFIED): _G.LOADED,
        (_G.GRANTED, _V.VOIDED): _G.VOID,
        (_G.VOID, _V.VOIDED): _G.VOID,  # told twice
        (_G.LOADED, _V.TAC_VERIFIED): _G.LOADED,
    },
)
