"""What stands against a decision of two people."""

from ota.core.errors import Conflict, NotAllowed


class SecondPersonNeeded(NotAllowed):
    """Who proposes does not approve."""

    code = "second_person_needed"
    english = "Whoever proposes a decision cannot approve it; a second person must."
    chinese = "提议人不能复核, 须由第二人批准。"


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
