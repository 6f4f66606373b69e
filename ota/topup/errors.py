"""What can stop a top-up, each with its code and the next action."""

from ota.core.errors import Conflict, IntegrityProblem, NextAction, OtaError
from ota.topup.states import TopupState


class ChallengeSuperseded(Conflict):
    """A newer question has been put to this card, or a newer attempt made: the answer is too old to count."""

    code = "challenge_superseded"
    retryable = True
    next_action = NextAction.RESUME
    english = "Another contact with this card came in between; start again from a new challenge."
    chinese = "该卡已有更新的操作, 请重新发起。"


class CardFrozen(IntegrityProblem):
    """The card's counter contradicts the books; the card is out of service until a person has looked."""

    code = "card_frozen"
    english = "The card's counter contradicts the records; the card is frozen and the money is safe."
    chinese = "卡片计数与平台记录不符, 已冻结; 资金安全, 请联系客服。"


class StillUncertain(Conflict):
    """The counter alone proves nothing for this city, and the card showed no trace of the load."""

    code = "load_still_uncertain"
    next_action = NextAction.CONTACT_SERVICE
    english = "It is not proven yet whether the load arrived; a person will decide."
    chinese = "尚无法确认充值是否到账, 将由人工核实。"


class NotLoadable(Conflict):
    """The order is in a state in which no card is loaded."""

    code = "topup_not_loadable"

    def __init__(self, state: TopupState) -> None:
        super().__init__(
            english=f"The top-up is {state}; nothing can be loaded for it.",
            chinese=f"充值订单当前状态为 {state}, 不能写卡。",
            next_action=NextAction.CONTACT_SERVICE if state is TopupState.HELD else None,
            details={"state": str(state)},
        )


class CardNotMade(NotLoadable):
    """The card that the order was to load was never made; whoever has its number by now gets none of this money."""

    code = "card_not_made"
    next_action = NextAction.RESUME

    def __init__(self) -> None:
        OtaError.__init__(
            self,
            english="The card of this top-up was not made; ask for the money back.",
            chinese="该充值对应的卡片未开通, 不能写卡, 请申请退款。",
        )
