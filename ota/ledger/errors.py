"""What the books refuse: each of these is a mistake of the platform, so the transaction around it is rolled back."""

from datetime import datetime

from ota.core.errors import IntegrityProblem


class Unbalanced(IntegrityProblem):
    """The lines of a journal do not sum to zero, or are no amounts of fen."""

    code = "journal_unbalanced"
    english = "The lines of a journal must be whole fen, not zero, and sum to zero; nothing was booked."
    chinese = "凭证借贷不平衡, 未记账。"


class BookedDifferently(IntegrityProblem):
    """What happened once is in the books already, with other lines."""

    code = "booked_differently"

    def __init__(self, kind: str, reference: str) -> None:
        super().__init__(
            english=f"The journal {kind} {reference} is in the books with other lines.",
            chinese=f"凭证 {kind} {reference} 已存在且内容不同。",
            details={"kind": str(kind), "reference": reference},
        )


class NotBooked(IntegrityProblem):
    """What is to be reversed was never booked."""

    code = "not_booked"

    def __init__(self, kind: str, reference: str) -> None:
        super().__init__(
            english=f"There is no journal {kind} {reference} to reverse.",
            chinese=f"凭证 {kind} {reference} 不存在, 无法冲正。",
            details={"kind": str(kind), "reference": reference},
        )


class AccountUnknown(IntegrityProblem):
    """A name in the books is no account's."""

    code = "account_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(
            english=f"{name} is no account: expected a kind of account, a colon and its owner.",
            chinese=f"账户 {name} 不存在。",
            details={"account": name},
        )


class CalendarGap(IntegrityProblem):
    """No business day holds this moment: it lies before the books began, or somebody tore the calendar."""

    code = "calendar_gap"

    def __init__(self, at: datetime) -> None:
        super().__init__(
            english=f"No business day holds {at.isoformat()}; nothing was booked.",
            chinese=f"营业日历中没有 {at.isoformat()} 所属的营业日, 未记账。",
            details={"at": at.isoformat()},
        )
