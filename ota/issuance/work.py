"""Where an issuance stands between two reports: kept in the session, and nothing in it is a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from ota.card.keys import Algorithm
from ota.core.errors import CardProblem, NextAction, OtaError
from ota.core.values import TerminalNumber
from ota.hsm_adapter.channel import Channel


class Phase(StrEnum):
    """What the batch that waits for its report is doing."""

    KNOCK = "knock"
    BUILD = "build"
    LOOK = "look"
    CLEAR_KNOCK = "clear_knock"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Work:
    """The batch under way.

    ``lead`` counts the commands before the first one that goes through the channel, ``done`` the ones that went
    through it in earlier batches; ``tickets`` unwrap the answers of this batch; ``ends`` says that the readings and
    the proof are in it. ``first_load`` is what the first load's plan wants to remember. ``key_versions`` are those of
    the keys that a build writes; None before it begins.
    """

    phase: Phase
    host_challenge: bytes
    nonce: TerminalNumber
    channel: Channel | None = None
    lead: int = 0
    done: int = 0
    tickets: tuple[str, ...] = ()
    predicted: bool = False
    ends: bool = False
    first_load: Mapping[str, object] | None = None
    problem: Mapping[str, object] = field(default_factory=dict)
    key_versions: Mapping[Algorithm, int] | None = None

    def to_json(self) -> dict[str, object]:
        """The form in which a session keeps it."""
        return {
            "phase": str(self.phase),
            "host_challenge": self.host_challenge.hex(),
            "nonce": self.nonce.digits,
            "channel": self.channel.to_json() if self.channel is not None else None,
            "lead": self.lead,
            "done": self.done,
            "tickets": list(self.tickets),
            "predicted": self.predicted,
            "ends": self.ends,
            "first_load": dict(self.first_load) if self.first_load is not None else None,
            "problem": dict(self.problem),
            "key_versions": _named(self.key_versions),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Read back what ``to_json`` wrote."""
        return cls(
            phase=Phase(kept["phase"]),
            host_challenge=bytes.fromhex(kept["host_challenge"]),
            nonce=TerminalNumber(kept["nonce"]),
            channel=Channel.from_json(kept["channel"]) if kept["channel"] is not None else None,
            lead=kept["lead"],
            done=kept["done"],
            tickets=tuple(kept["tickets"]),
            predicted=kept["predicted"],
            ends=kept["ends"],
            first_load=kept["first_load"],
            problem=kept["problem"],
            key_versions=_versions(kept.get("key_versions")),
        )


def _named(versions: Mapping[Algorithm, int] | None) -> dict[str, int] | None:
    return (
        {str(algorithm): version for algorithm, version in versions.items()} if versions is not None else None
    )


def _versions(kept: Mapping[str, int] | None) -> Mapping[Algorithm, int] | None:
    return {Algorithm(name): version for name, version in kept.items()} if kept is not None else None


def problem_to_json(problem: OtaError) -> dict[str, object]:
    """An error as a session keeps it while the element is being cleared."""
    return {
        "code": problem.problem_code,
        "en": problem.message["en"],
        "zh": problem.message["zh-CN"],
        "action": str(problem.action),
        "details": dict(problem.details),
    }


def problem_from_json(kept: Mapping[str, Any]) -> CardProblem:
    """Read back what ``problem_to_json`` wrote."""
    return CardProblem(
        code=kept["code"],
        english=kept["en"],
        chinese=kept["zh"],
        next_action=NextAction(kept["action"]),
        details=kept["details"],
    )
