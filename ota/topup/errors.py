"""What can stop a top-up or its refund, each with its code and the next action."""

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


class NotRefundable(Conflict):
    """It is not proven that the card does not hold the money, or there is no money."""

    code = "topup_not_refundable"

    def __init__(self, state: TopupState) -> None:
        in_doubt = state in (TopupState.LOADING, TopupState.UNCERTAIN)
        super().__init__(
            english=f"The top-up is {state}; its money cannot be given back now.",
            chinese=f"充值订单当前状态为 {state}, 暂不能退款。",
            next_action=NextAction.RESUME if in_doubt else None,
            details={"state": str(state)},
        )


class RefundNeedsTwoPeople(Conflict):
    """What speaks against the load is enough to go on with it, not to give money back.

    It is only a counter that may be an old one, or the card's city says the opposite.
    """

    code = "refund_needs_two_people"
    english = "Whether the card holds the money cannot be proven from afar; two people of the service desk must decide."
    chinese = "无法远程证明该金额未写入卡片, 退款须由两名客服人员复核。"
    next_action = NextAction.CONTACT_SERVICE


class OnTheCard(Conflict):
    """The order's money is proven to be on the card: it cannot go back, too."""

    code = "money_on_the_card"
    english = "The money of this order is proven to be on the card; it cannot be given back."
    chinese = "该订单金额已确认写入卡片, 不能退款。"


class DecisionOutdated(Conflict):
    """The order was loaded again, or the card frozen for another reason, after the proposal: the people have not seen that."""

    code = "decision_outdated"
    english = (
        "Since this was proposed the order was loaded again, or the card frozen for another reason; reject it, look at the "
        "card, propose anew."
    )
    chinese = "提议之后该订单又发起过充值, 或卡片因其他原因被冻结; 请驳回, 重新查看卡片后再提议。"


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
