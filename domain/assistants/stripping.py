"""What a published copy must not hold: secrets, and knowledge that is its tenant's own.

Patterns err on the side of taking out too much: who publishes is told what, and where, and can say it otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.assistants.entities import Assistant, AssistantVersion

REMOVED = "[removed]"


class StripReason(StrEnum):
    """Why something is left out of a published copy."""

    API_KEY = "API_KEY"
    TOKEN = "TOKEN"
    PRIVATE_KEY = "PRIVATE_KEY"
    PASSWORD = "PASSWORD"
    URL_CREDENTIALS = "URL_CREDENTIALS"
    KNOWLEDGE_BASE = "KNOWLEDGE_BASE"


@dataclass(frozen=True, slots=True)
class Stripped:
    """What was left out: where it stood, such as `examples[2].user`, and why."""

    path: str
    reason: StripReason


@dataclass(frozen=True, slots=True)
class Secret:
    """What a kind of secret looks like. A group named `secret` is what is taken out; without one, all of it is."""

    name: str
    reason: StripReason
    pattern: re.Pattern[str]


_EDGE, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"
_NAMED = r"(?:api|access|secret|private)[ _-]?key|secret|token|credentials?|密钥|秘钥|令牌|凭证"
_PASSWORD = r"password|passwd|passphrase|passcode|pwd|密码|口令"
_GIVEN = r"[\"'`]?\s{0,4}(?:[:=：]|=>)\s{0,4}[\"'`“]?(?P<secret>[^\s\"'`“”，。；,;]{6,})"
_TOLD = r"[\"'`]?\s{1,4}(?:is|are)\s{1,4}[\"'`“]?(?P<secret>(?=[^\s\d]{0,80}\d)[^\s\"'`“”，。；,;]{6,})"
_TOLD_ZH = r"\s{0,4}(?:是|为)\s{0,4}[\"'`“]?(?P<secret>(?=[!-~]{0,80}\d)[!-~]{6,})"


def _secret(name: str, reason: StripReason, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> Secret:
    return Secret(name, reason, re.compile(pattern, flags))


_KEY, _TOKEN = StripReason.API_KEY, StripReason.TOKEN
_PASS, _IGNORE = StripReason.PASSWORD, re.IGNORECASE
SECRETS = (
    _secret("private key", StripReason.PRIVATE_KEY,
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
    _secret("user and password in a URL", StripReason.URL_CREDENTIALS,
            r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<secret>[^\s/@:]{0,200}:[^\s/@]{1,200})@"),
    _secret("key in a URL", StripReason.URL_CREDENTIALS,
            r"[?&][A-Za-z0-9_-]{0,30}(?:key|token|secret|signature|sig|password|pwd)=(?P<secret>[^\s&#\"']{4,})", _IGNORE),
    _secret("Stripe key", _KEY, _EDGE + r"(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}"),
    _secret("model provider's key", _KEY, _EDGE + r"sk-[A-Za-z0-9_-]{16,}"),
    _secret("AWS access key", _KEY, _EDGE + r"(?:AKIA|ASIA)[0-9A-Z]{16}" + _END),
    _secret("Aliyun access key", _KEY, _EDGE + r"LTAI[0-9A-Za-z]{12,26}" + _END),
    _secret("Google key", _KEY, _EDGE + r"AIza[0-9A-Za-z_-]{35}"),
    _secret("GitHub token", _TOKEN, _EDGE + r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    _secret("GitLab token", _TOKEN, _EDGE + r"glpat-[A-Za-z0-9_-]{16,}"),
    _secret("Slack token", _TOKEN, _EDGE + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _secret("Hugging Face token", _TOKEN, _EDGE + r"hf_[A-Za-z0-9]{20,}"),
    _secret("token of this API", _TOKEN, _EDGE + r"fabr?_[A-Za-z0-9_-]{16,}"),
    _secret("JSON web token", _TOKEN, _EDGE + r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*"),
    _secret("bearer token", _TOKEN, r"\b(?:Bearer|Basic)\s{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{16,})"),
    _secret("password that is given", _PASS, f"(?:{_PASSWORD}){_GIVEN}", _IGNORE),
    _secret("password that is told", _PASS, f"(?:{_PASSWORD}){_TOLD}", _IGNORE),
    _secret("password that is told in Chinese", _PASS, f"(?:{_PASSWORD}){_TOLD_ZH}", _IGNORE),
    _secret("key that is given", _KEY, f"(?:{_NAMED}){_GIVEN}", _IGNORE),
    _secret("key that is told", _KEY, f"(?:{_NAMED}){_TOLD}", _IGNORE),
    _secret("key that is told in Chinese", _KEY, f"(?:{_NAMED}){_TOLD_ZH}", _IGNORE),
    _secret("long hexadecimal number", _TOKEN, _EDGE + r"[0-9A-Fa-f]{32,}" + _END),
    _secret("long mixed letters and digits", _TOKEN,
            _EDGE + r"(?=[A-Za-z0-9+/_-]{0,200}\d)(?=[A-Za-z0-9+/_-]{0,200}[a-z])(?=[A-Za-z0-9+/_-]{0,200}[A-Z])"
            r"[A-Za-z0-9+/_-]{40,}={0,2}"),
)  # fmt: skip
"""In the order in which they are looked for: what one has taken out, no other sees."""


def strip_text(text: str) -> tuple[str, list[StripReason]]:
    """The text without secrets, and why something was taken out, each reason once."""
    reasons: dict[StripReason, None] = {}
    for secret in SECRETS:

        def take(found: re.Match[str], secret: Secret = secret) -> str:
            whole = found[0]
            start, end = found.span("secret") if "secret" in secret.pattern.groupindex else found.span()
            if REMOVED in whole[start - found.start() : end - found.start()]:
                return whole
            reasons[secret.reason] = None
            return whole[: start - found.start()] + REMOVED + whole[end - found.start() :]

        text = secret.pattern.sub(take, text)
    return text, list(reasons)


class _Stripper:
    """Strips one text after another, and notes where."""

    def __init__(self) -> None:
        self.found: list[Stripped] = []

    def __call__(self, path: str, text: str) -> str:
        clean, reasons = strip_text(text)
        self.found += [Stripped(path, reason) for reason in reasons]
        return clean


@dataclass(frozen=True, slots=True)
class StrippedCopy:
    """What everybody may see of an assistant and a version of it, and what was left out."""

    name: str
    description: str
    tags: list[str]
    version: AssistantVersion
    stripped: list[Stripped]


def stripped_copy(assistant: Assistant, version: AssistantVersion) -> StrippedCopy:
    """A knowledge base is always somebody's own, so none goes with a copy."""
    strip = _Stripper()
    name = strip("name", assistant.name)
    description = strip("description", assistant.description)
    tags = [tag for index, tag in enumerate(assistant.tags) if strip(f"tags[{index}]", tag) == tag]
    copy = replace(
        version,
        prompt=strip("prompt", version.prompt),
        greeting=strip("greeting", version.greeting),
        opening_messages=[strip(f"openingMessages[{n}]", one) for n, one in enumerate(version.opening_messages)],
        examples=_parts(strip, "examples", version.examples),
        model=strip("modelPreferences.model", version.model) if version.model is not None else None,
        tools=_parts(strip, "tools", version.tools),
        changelog=strip("changelog", version.changelog),
        knowledge_base_ids=[],
    )
    strip.found += _knowledge(version)
    return StrippedCopy(name, description, tags, copy, strip.found)


def _parts(strip: _Stripper, path: str, parts: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: strip(f"{path}[{n}].{name}", one) for name, one in part.items()} for n, part in enumerate(parts)]


def _knowledge(version: AssistantVersion) -> Iterator[Stripped]:
    for index, _ in enumerate(version.knowledge_base_ids):
        yield Stripped(f"knowledgeBaseIds[{index}]", StripReason.KNOWLEDGE_BASE)
