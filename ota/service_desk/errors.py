"""What stands against a decision of two people."""

from ota.core.errors import Conflict, NotAllowed


class SecondPersonNeeded(NotAllowed):
    """Who proposes does not approve."""

    code = "second_person_needed"
    english = "Whoever proposes a decision cannot approve it; a second person must."
    chinese = "提议人不能复核, 须由第二人批准。"


class ProofNeeded(Conflict):
    """What the card said may be an answer of before: the people who decide must have looked for themselves."""

    code = "proof_needed"
    english = (
        "In this city a card's answers can be collected beforehand, so the counter that denies this load may be an old "
        "one. Read the card, and name in `proof` how it was seen that the money is not on it."
    )
    chinese = "该城市卡片的应答可被预先收集, 否定本次充值的交易序号可能来自旧应答。请实际读卡, 并在 proof 中说明如何确认款项不在卡上。"


class DecisionOpen(Conflict):
    """Another proposal about the same thing waits for its second person."""

    code = "decision_open"
    english = "A proposal about this is open already; approve or reject it first."
    chinese = "已有待复核的决定, 请先批准或驳回。"


class DecisionSettled(Conflict):
    """The proposal was answered before."""

    code = "decision_settled"
    english = "This proposal was approved or rejected already."
    chinese = "该决定已复核完毕。"
