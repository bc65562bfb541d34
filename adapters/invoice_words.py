"""What stands on an invoice besides what is billed, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.invoices.entities import ItemKind
from domain.invoices.monthly import PAID_FROM_CREDIT
from domain.invoices.service import CARRIED_IN, CARRIED_OUT, ROUNDING


@dataclass(frozen=True, slots=True)
class Words:
    """`own` has our own descriptions of lines, `units` those of quantities; what is not in them stays as it is."""

    language: str
    invoice: str
    number: str
    issued: str
    due: str
    period: str
    seller: str
    buyer: str
    tax_id: str
    description: str
    quantity: str
    amount: str
    total: str
    please_pay: str
    nothing_to_pay: str
    tokens: str
    kinds: Mapping[ItemKind, str]
    own: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


ENGLISH = Words(
    language="en", invoice="Invoice", number="Number", issued="Issued on", due="Due on", period="Period", seller="From",
    buyer="To", tax_id="Tax ID", description="Description", quantity="Quantity", amount="Amount", total="Total",
    please_pay="Please pay invoice {number} by {due}.",
    nothing_to_pay="There is nothing to pay: everything on this invoice has been settled.",
    tokens="{input_tokens} input ({cached_input_tokens} cached), {output_tokens} output tokens",
    kinds={
        ItemKind.SUBSCRIPTION: "Subscription", ItemKind.PRORATION: "Proration", ItemKind.USAGE: "Usage",
        ItemKind.CREDIT_USED: "Prepaid credit", ItemKind.DISCOUNT: "Discount", ItemKind.ADJUSTMENT: "Adjustment",
    },
)  # fmt: skip
CHINESE = Words(
    language="zh", invoice="账单", number="账单编号", issued="开具日期", due="到期日", period="周期", seller="开具方",
    buyer="付款方", tax_id="税号", description="项目", quantity="数量", amount="金额", total="合计",
    please_pay="请在 {due} 之前支付账单 {number}。",
    nothing_to_pay="无需付款：本账单所列各项均已结清。",
    tokens="输入 {input_tokens}（缓存 {cached_input_tokens}）、输出 {output_tokens} 个词元",
    kinds={
        ItemKind.SUBSCRIPTION: "订阅费", ItemKind.PRORATION: "按比例折算", ItemKind.USAGE: "用量",
        ItemKind.CREDIT_USED: "预付余额", ItemKind.DISCOUNT: "折扣", ItemKind.ADJUSTMENT: "调整",
    },
    own={
        PAID_FROM_CREDIT: "已从余额支付", CARRIED_OUT: "结转至下期账单", CARRIED_IN: "上期账单结转", ROUNDING: "抹零",
    },
    units={"calls": "次", "months": "个月", "month": "个月", "days": "天", "day": "天"},
)  # fmt: skip
WORDS = {"en": ENGLISH, "zh": CHINESE}
