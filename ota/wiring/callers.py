"""Connects what deals with callers: their tokens and second factors, and the servers of wallets."""

from __future__ import annotations

from datetime import timedelta

from ota.core.clock import Clock
from ota.events.callback import CallbackOf, Callbacks
from ota.hsm_adapter.one_time_codes import OneTimeCodes
from ota.settings import Settings
from ota.store.callers import Callers
from ota.store.phases import Store
from ota.store.replay import ReplayGuard
from ota.store.second_factor import SecondFactors
from ota.topup import refund_wire
from ota.topup.refund_port import WalletDesk
from ota.topup.refund_wire import HttpWalletDesk
from ota.web.assertions import AssertionCheck
from ota.web.authentication import TokenDesk
from ota.web.ports import Signer
from ota.web.signed_facts import SignedFacts
from ota.web.tokens import Tokens


def callbacks(settings: Settings, callers: Callers, signer: Signer, clock: Clock) -> Callbacks:
    """The wallets' servers, where each of them has registered that it listens."""
    return Callbacks(_callback_of(callers), signer, clock, settings.tokens.audience)


def wallet_desk(settings: Settings, reached: Callbacks, callers: Callers) -> WalletDesk:
    """Refunds, as the wallets' servers are asked for them."""
    return HttpWalletDesk(reached, SignedFacts(callers, settings.tokens.audience, refund_wire.ANSWER_TYPE))


def issuer_of_tokens(settings: Settings, clock: Clock, signer: Signer) -> Tokens:
    """Access and session tokens."""
    return Tokens(
        signer,
        clock,
        settings.tokens.audience,
        timedelta(seconds=settings.tokens.access_life_s),
        timedelta(seconds=settings.tokens.session_life_s),
    )


def token_desk(
    settings: Settings, store: Store, replays: ReplayGuard, tokens: Tokens, codes: OneTimeCodes, clock: Clock
) -> TokenDesk:
    """Where callers prove who they are and get their tokens."""
    assertions = _assertions(settings, Callers(store), replays, clock)
    return TokenDesk(assertions, tokens, SecondFactors(store, clock), codes, clock)


def _assertions(settings: Settings, callers: Callers, replays: ReplayGuard, clock: Clock) -> AssertionCheck:
    return AssertionCheck(
        callers,
        replays,
        clock,
        settings.tokens.audience,
        timedelta(seconds=settings.tokens.assertion_life_s),
        timedelta(seconds=settings.tokens.skew_s),
    )


def _callback_of(callers: Callers) -> CallbackOf:
    """Where each wallet has registered that its server listens."""

    def callback_of(caller_id: str) -> str | None:
        found = callers.find(caller_id)
        return None if found is None or found.disabled else found.callback_url

    return callback_of
