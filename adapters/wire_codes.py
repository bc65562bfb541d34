"""Which of our codes a provider's own words mean.

Sources: the error references of OpenAI, Azure OpenAI, Anthropic, Alibaba Bailian, DeepSeek, Moonshot, Zhipu, Gemini,
OpenRouter, and of the servers vLLM, llama.cpp and Ollama. A provider's code says more than its status (OpenAI answers 429 both to
haste and to an empty account), so codes are asked first, then the message, where some servers put the reason, and the
status last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from domain.generation.provider import FinishReason, ProviderErrorCode

_BY_WIRE_CODE: Mapping[ProviderErrorCode, frozenset[str]] = {
    ProviderErrorCode.CONTENT_BLOCKED: frozenset(
        {
            "content_filter",
            "content_policy_violation",
            "contentfilter",
            "data_inspection_failed",
            "datainspectionfailed",
            "responsibleaipolicyviolation",
            "safety",
            "sensitive",
            "prohibited_content",
            "blocklist",
            "1301",
        }
    ),
    ProviderErrorCode.CONTEXT_TOO_LONG: frozenset(
        {"context_length_exceeded", "exceed_context_size_error", "request_too_large", "string_above_max_length"}
    ),
    ProviderErrorCode.QUOTA_EXHAUSTED: frozenset(
        {
            "insufficient_quota",
            "insufficient_balance",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "exceeded_current_quota_error",
            "quota_exceeded",
            "arrearage",
            "allocationquota.freetieronly",
            "prepaidbilloverdue",
            "postpaidbilloverdue",
        }
    ),
    ProviderErrorCode.RATE_LIMITED: frozenset(
        {
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached_error",
            "too_many_requests",
            "resource_exhausted",
        }
    ),
    ProviderErrorCode.MODEL_NOT_FOUND: frozenset(
        {
            "model_not_found",
            "model_not_supported",
            "model.notexist",
            "modelnotfound",
            "invalid_model",
            "not_found_error",
        }
    ),
    ProviderErrorCode.AUTHENTICATION: frozenset(
        {
            "invalid_api_key",
            "api_key_invalid",
            "invalidapikey",
            "authentication_error",
            "unauthenticated",
            "permission_denied",
            "permission_error",
            "accessdenied",
            "accessdenied.unpurchased",
            "model.accessdenied",
            "workspace.accessdenied",
        }
    ),
    ProviderErrorCode.OVERLOADED: frozenset(
        {
            "overloaded_error",
            "engine_overloaded_error",
            "server_overloaded",
            "server_error",
            "internal_error",
            "internal_server_error",
            "internalerror",
            "internalservererror",
            "service_unavailable",
            "serviceunavailable",
            "modelserviceunavailable",
            "modelservicefailed",
            "modelservingerror",
            "systemerror",
            "unavailable",
        }
    ),
    ProviderErrorCode.TIMEOUT: frozenset(
        {"timeout", "timeout_error", "request_timeout", "requesttimeout", "gatewaytimeout", "deadline_exceeded"}
    ),
}
_CODE_OF: Mapping[str, ProviderErrorCode] = {wire: code for code, wires in _BY_WIRE_CODE.items() for wire in wires}

_BY_PREFIX: Mapping[str, ProviderErrorCode] = {
    "throttling": ProviderErrorCode.RATE_LIMITED,
    "internalerror.": ProviderErrorCode.OVERLOADED,
    "datainspection": ProviderErrorCode.CONTENT_BLOCKED,
}

_CONTEXT_WORDS = re.compile(
    r"range of input length|maximum (context|model) length|context (length|window|size)|prompt is too long"
    r"|input is too long|too many (input )?tokens|超出.{0,12}(长度|上下文)",
    re.IGNORECASE,
)
_QUOTA_WORDS = re.compile(
    r"exceeded your current quota|insufficient balance|credit balance is too low|余额不足|欠费|overdue.payment",
    re.IGNORECASE,
)

_BY_STATUS: Mapping[int, ProviderErrorCode] = {
    401: ProviderErrorCode.AUTHENTICATION,
    402: ProviderErrorCode.QUOTA_EXHAUSTED,
    403: ProviderErrorCode.AUTHENTICATION,
    404: ProviderErrorCode.MODEL_NOT_FOUND,
    408: ProviderErrorCode.TIMEOUT,
    413: ProviderErrorCode.CONTEXT_TOO_LONG,
    425: ProviderErrorCode.RATE_LIMITED,
    429: ProviderErrorCode.RATE_LIMITED,
    451: ProviderErrorCode.CONTENT_BLOCKED,
    504: ProviderErrorCode.TIMEOUT,
}

_FINISH: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
    "recitation": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
    "blocklist": FinishReason.CONTENT_FILTER,
    "prohibited_content": FinishReason.CONTENT_FILTER,
    "spii": FinishReason.CONTENT_FILTER,
    "model_armor": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
}

_FAILED_FINISH: Mapping[str, ProviderErrorCode] = {
    "insufficient_system_resource": ProviderErrorCode.OVERLOADED,
    "network_error": ProviderErrorCode.CUT,
    "abort": ProviderErrorCode.CUT,
    "model_context_window_exceeded": ProviderErrorCode.CONTEXT_TOO_LONG,
}


def code_for(status: int | None, wire_codes: Sequence[str], words: str) -> ProviderErrorCode:
    """`wire_codes` in the provider's order of precision; a number among them counts as a status."""
    for wire in wire_codes:
        if known := _of_wire_code(wire.lower()):
            return known
    if _QUOTA_WORDS.search(words):
        return ProviderErrorCode.QUOTA_EXHAUSTED
    if _CONTEXT_WORDS.search(words):
        return ProviderErrorCode.CONTEXT_TOO_LONG
    if status is None or status < 400:
        status = next((int(wire) for wire in wire_codes if re.fullmatch(r"[45]\d\d", wire)), status)
    return _of_status(status)


def finish_of(wire: str) -> FinishReason | ProviderErrorCode:
    """A finish reason, or the failure that a provider reports in its place; an unknown word is INVALID_RESPONSE."""
    word = wire.lower()
    return _FINISH.get(word) or _FAILED_FINISH.get(word) or ProviderErrorCode.INVALID_RESPONSE


def _of_wire_code(wire: str) -> ProviderErrorCode | None:
    if wire in _CODE_OF:
        return _CODE_OF[wire]
    return next((code for prefix, code in _BY_PREFIX.items() if wire.startswith(prefix)), None)


def _of_status(status: int | None) -> ProviderErrorCode:
    if status is None or status < 300:
        return ProviderErrorCode.UNKNOWN
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ProviderErrorCode.OVERLOADED
    return ProviderErrorCode.BAD_REQUEST if status >= 400 else ProviderErrorCode.INVALID_RESPONSE
