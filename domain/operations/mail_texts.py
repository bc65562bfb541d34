"""What mails say, in English and Chinese. A first line is the subject."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from domain.text import base_language


class MailTemplate(StrEnum):
    WEBHOOK_DISABLED = "webhook_disabled"


_ENGLISH = {
    MailTemplate.WEBHOOK_DISABLED: """\
Fabula no longer calls {url}

Hello {name},

for {days} days nothing that Fabula sent to your webhook endpoint arrived:

    {url}

So the endpoint is off now, and what was waiting for it will not be sent. The delivery log shows what went wrong.
Once the endpoint answers again, turn it on and send again what you need.

Fabula
""",
}
_CHINESE = {
    MailTemplate.WEBHOOK_DISABLED: """\
Fabula 已停止向 {url} 推送

{name}，您好：

{days} 天以来，Fabula 发往以下 Webhook 地址的内容都没有送达：

    {url}

因此该地址已被停用，等待发送的内容也不会再发出。失败原因可在投递记录中查看。
地址恢复应答后，请重新启用它，并按需重新投递。

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
