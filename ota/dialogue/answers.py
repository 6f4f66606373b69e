"""Answers of a session as bytes: made once, stored, and read back to know what was sent."""

from collections.abc import Mapping
from typing import Final

import orjson

from ota.card.batch import Batch, BatchCommand
from ota.card.status import StatusPattern
from ota.core.errors import OtaError
from ota.dialogue.element import Capabilities
from ota.dialogue.plan import DEFAULT_DEADLINE_MS, Progress, Step

ON_MISMATCH: Final = "stop"


def deadline_ms(idle_limit_ms: int) -> int:
    """How long a phone may take for a batch: four fifths of what its channel bears, and never above the default.

    The last fifth is for the way of the report: an element that is let go by its channel loses what is under way.

    >>> deadline_ms(9_000), deadline_ms(600_000)
    (7200, 12000)
    """
    return min(DEFAULT_DEADLINE_MS, idle_limit_ms * 4 // 5)


def next_batch(session_id: str, seq: int, step: Step, caps: Capabilities | None = None) -> bytes:
    """The answer that carries another batch, for a phone with these capabilities."""
    caps = caps or Capabilities()
    batch = Batch(step.commands)
    return orjson.dumps(
        {
            "session_id": session_id,
            "seq": seq,
            "state": "continue",
            "digest": batch.digest,
            "deadline_ms": deadline_ms(caps.idle_limit_ms),
            "commands": [
                {
                    "i": i,
                    "apdu": command.command.hex().upper(),
                    "expect": str(command.expect),
                    "note": command.note,
                }
                for i, command in enumerate(batch, start=1)
            ],
            "on_mismatch": ON_MISMATCH,
            "progress": step.progress.to_json() if step.progress is not None else None,
        }
    )


def final_answer(
    session_id: str,
    seq: int,
    state: str,
    outcome: Mapping[str, object],
    progress: Progress | None,
    problem: OtaError | None,
    receipt: str | None,
) -> bytes:
    """The answer that ends a session."""
    return orjson.dumps(
        {
            "session_id": session_id,
            "seq": seq,
            "state": state,
            "outcome": dict(outcome),
            "receipt": receipt,
            "progress": progress.to_json() if progress is not None else None,
            "problem": problem_view(problem) if problem is not None else None,
        }
    )


def batch_of(answer: bytes) -> Batch:
    """The batch that a stored answer carries."""
    return Batch(
        tuple(
            BatchCommand(bytes.fromhex(command["apdu"]), StatusPattern(command["expect"]), command["note"])
            for command in orjson.loads(answer)["commands"]
        )
    )


def problem_view(problem: OtaError) -> dict[str, object]:
    """An error inside an answer, in both languages."""
    return {
        "code": problem.problem_code,
        "retryable": problem.may_retry,
        "next_action": problem.action.value,
        "message": dict(problem.message),
        "details": dict(problem.details),
    }
