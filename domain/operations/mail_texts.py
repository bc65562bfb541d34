"""What mails say, in English and Chinese. A first line is the subject."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from domain.text import base_language


class MailTemplate(StrEnum):
    WEBHOOK_DISABLED = "webhook_disabled"
    CHANNEL_DOWN = "channel_down"
    CHANNEL_BACK = "channel_back"
    BUDGET = "budget"
    TENANT_BUDGET = "tenant_budget"
    WALLET_LOW = "wallet_low"
    TOP_UP_FAILED = "top_up_failed"
    INVOICE_ISSUED = "invoice_issued"
    INVOICE_DUE_SOON = "invoice_due_soon"
    INVOICE_OVERDUE = "invoice_overdue"


_ENGLISH = {
    MailTemplate.WEBHOOK_DISABLED: """\
Fabula no longer calls {host}

Hello {name},

for {days} days nothing that Fabula sent to your webhook endpoint arrived:

    {host}

So the endpoint is off now, and what was waiting for it will not be sent. The delivery log shows what went wrong.
Once the endpoint answers again, turn it on and send again what you need.

Fabula
""",
    MailTemplate.CHANNEL_DOWN: """\
The channel {channel} does not answer

Hello {name},

calls of {model} through your channel {channel} fail ({error}), so Fabula does not send any there for now. What can go
through another channel does. From time to time one real call is tried; once it is answered, the channel is back, and you
will hear of it.

Fabula
""",
    MailTemplate.CHANNEL_BACK: """\
The channel {channel} answers again

Hello {name},

{model} answers again through your channel {channel}. Generations go through it as before.

Fabula
""",
    MailTemplate.BUDGET: """\
{percent}% of the budget of {name} is spent

Hello {reader},

since {since} {name} has spent {spent} of {limit} {currency}: {percent}% of the budget.

What the budget no longer covers is not started. To allow more, raise the limit in the billing settings.

Fabula
""",
    MailTemplate.TENANT_BUDGET: """\
{percent}% of your studio's budget is spent

Hello {reader},

since {since} your studio has spent {spent} of {limit} {currency}: {percent}% of the budget for everybody.

What the budget no longer covers is not started. To allow more, raise the limit in the billing settings.

Fabula
""",
    MailTemplate.WALLET_LOW: """\
Your studio's credit is low: {credit} {currency}

Hello {reader},

your studio's wallet has {credit} {currency} left, which is less than the {threshold} {currency} that you asked to be
told at.

When the credit is used up, nothing more is written. Top it up to go on.

Fabula
""",
    MailTemplate.TOP_UP_FAILED: """\
Fabula could not top up your credit

Hello {name},

your credit ran low, and the automatic top-up of {amount} {currency} did not go through:

    {reason}

After {failures_max} failures in a row automatic top-ups are turned off; this was number {failures}. Writing goes on
as long as there is credit. Please look at the saved card on the wallet page, or pay by hand.

Fabula
""",
    MailTemplate.INVOICE_ISSUED: """\
Invoice {number}: {amount} {currency}

Hello {name},

here is invoice {number} over {amount} {currency}. Please pay it by {due}. You find it, and a PDF of it, with your
invoices in Fabula.

Fabula
""",
    MailTemplate.INVOICE_DUE_SOON: """\
Invoice {number} is due on {due}

Hello {name},

invoice {number} over {amount} {currency} is due on {due} and has not been paid yet. If you have just paid it, there
is nothing left to do.

Fabula
""",
    MailTemplate.INVOICE_OVERDUE: """\
Invoice {number} is overdue

Hello {name},

invoice {number} over {amount} {currency} was due on {due}, and no payment has come in. From {restricted} on, as long
as it is unpaid, nothing new can be generated. What is there can be read, edited and exported at all times, and paying
lifts this at once.

Fabula
""",
}
_CHINESE = {
    MailTemplate.WEBHOOK_DISABLED: """\
Fabula 已停止向 {host} 推送

{name}，您好：

{days} 天以来，Fabula 发往以下 Webhook 地址的内容都没有送达：

    {host}

因此该地址已被停用，等待发送的内容也不会再发出。失败原因可在投递记录中查看。
地址恢复应答后，请重新启用它，并按需重新投递。

Fabula
""",
    MailTemplate.CHANNEL_DOWN: """\
渠道 {channel} 无法应答

{name}，您好：

经渠道 {channel} 对 {model} 的调用接连失败（{error}），Fabula 暂时不再经它发送请求，能改走其他渠道的已自动改走。
系统会不时用一次真实调用试探，一旦成功，该渠道即恢复使用，届时会再通知您。

Fabula
""",
    MailTemplate.CHANNEL_BACK: """\
渠道 {channel} 已恢复

{name}，您好：

渠道 {channel} 上的 {model} 已恢复应答，生成任务照常经它进行。

Fabula
""",
    MailTemplate.BUDGET: """\
{name} 的预算已用去 {percent}%

{reader}，您好：

自 {since} 起，{name} 已花费 {spent} {currency}，预算上限为 {limit} {currency}，即已用去 {percent}%。

超出预算的任务不会启动。如需放宽，请在计费设置中调高上限。

Fabula
""",
    MailTemplate.TENANT_BUDGET: """\
工作室的预算已用去 {percent}%

{reader}，您好：

自 {since} 起，整个工作室已花费 {spent} {currency}，预算上限为 {limit} {currency}，即已用去 {percent}%。

超出预算的任务不会启动。如需放宽，请在计费设置中调高上限。

Fabula
""",
    MailTemplate.WALLET_LOW: """\
工作室余额不足：{credit} {currency}

{reader}，您好：

工作室钱包还剩 {credit} {currency}，已低于您设定的提醒金额 {threshold} {currency}。

余额用尽后将无法继续写作，请及时充值。

Fabula
""",
    MailTemplate.TOP_UP_FAILED: """\
Fabula 未能为您自动充值

{name}，您好：

您的余额不足，但 {amount} {currency} 的自动充值没有成功：

    {reason}

连续失败 {failures_max} 次后，自动充值会被关闭；这是第 {failures} 次。余额用完之前写作不受影响。
请到钱包页面检查已保存的银行卡，或手动充值。

Fabula
""",
    MailTemplate.INVOICE_ISSUED: """\
账单 {number}：{amount} {currency}

{name}，您好：

账单 {number} 已出具，金额为 {amount} {currency}，请在 {due} 之前支付。账单及其 PDF 可在 Fabula 的账单页中查看。

Fabula
""",
    MailTemplate.INVOICE_DUE_SOON: """\
账单 {number} 将于 {due} 到期

{name}，您好：

账单 {number}（{amount} {currency}）将于 {due} 到期，目前尚未支付。如果您刚刚付款，请忽略本邮件。

Fabula
""",
    MailTemplate.INVOICE_OVERDUE: """\
账单 {number} 已逾期

{name}，您好：

账单 {number}（{amount} {currency}）已于 {due} 到期，我们还没有收到付款。若仍未支付，自 {restricted} 起将无法生成新内容。
已有内容始终可以阅读、编辑和导出；付款后限制立即解除。

Fabula
""",
}


def text_of(template: MailTemplate, locale: str, params: Mapping[str, str]) -> tuple[str, str]:
    """Subject and body, in Chinese for a Chinese locale and in English for any other.

    Raises KeyError for a missing parameter. Line ends in a parameter cannot make a header of it.
    """
    texts = _CHINESE if base_language(locale) == "zh" else _ENGLISH
    given = {name: " ".join(value.split()) for name, value in params.items()}
    subject, _, body = texts[template].format_map(given).partition("\n\n")
    return subject, body
