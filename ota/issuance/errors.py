"""What can stand against an order of a card, each with its code and the next action."""

from ota.core.errors import Conflict, NextAction, Refused
from ota.core.values import Fen


class ElementTaken(Conflict):
    """The element has a card of this product, or another order is putting one there."""

    code = "element_taken"
    next_action = NextAction.RESUME
    english = "This secure element already has such a card, or one is being issued to it."
    chinese = "该安全芯片已有此类卡片, 或正在开卡。"


class CardOnChip(Conflict):
    """The chip, by its own data, bears the active card of another order, whatever name this order has for it."""

    code = "card_on_chip"
    next_action = NextAction.CONTACT_SERVICE
    english = (
        "This chip bears an active card of this kind that was issued under another name or by another wallet; it is not "
        "overwritten. Call this order off to get what was paid back."
    )
    chinese = "该安全芯片上已有以其他名称或由其他钱包开通的同类卡片, 不会被覆盖; 可取消本订单以退回已付款项。"


class IssuanceInQuestion(Conflict):
    """The database was restored since: the element may hold this card with money on it, or the number another card."""

    code = "issuance_in_question"
    next_action = NextAction.CONTACT_SERVICE
    english = (
        "The platform's database was restored since this order; a person will look what became of the card."
    )
    chinese = "平台数据库已从备份恢复, 该订单的卡片状态待人工核实。"


class FeeNotPaid(Refused):
    """The city asks a fee for a card, and no payment came with the order."""

    code = "fee_not_paid"

    def __init__(self, fee: Fen) -> None:
        super().__init__(
            english=f"The city's fee of {fee.amount} fen must be paid with the order.",
            chinese=f"开卡需支付工本费 {fee.amount} 分。",
            details={"fee_fen": fee.amount},
        )


class FeeNotDue(Refused):
    """A payment came with the order of a card for which the city asks nothing."""

    code = "fee_not_due"
    english = (
        "The city asks no fee for this card: the payment was not taken. Give it back and order without it."
    )
    chinese = "该城市开卡不收工本费, 未受理此笔支付, 请退款后重新下单。"
