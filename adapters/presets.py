"""Servers that speak OpenAI's protocol, each with the address it is known by and what it does differently.

`cancel` is the first guess of what closing the socket does to the bill, until a channel's own has been measured:

    CANCEL    the server stops, and bills what it wrote until then
    DRAIN     the server goes on and bills the whole answer: reading on costs nothing and tells the usage
    UNKNOWN   nobody says

Sources: OpenRouter's list of providers whose streams can be cancelled, the firms' API references, and the users'
reports of requests that were refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

CancelPolicy = Literal["CANCEL", "DRAIN", "UNKNOWN"]
LengthField = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Preset:
    """`hosts` are the host names it is recognised by, those with a leading dot by their end; `port` is a local server's.

    `stream_options` says whether it may be asked for token counts: of the others some refuse the call for it, and all
    send the counts unasked. `temperature_max` is the highest that it takes. `embedding_batch_max` counts the texts of one call.
    """

    name: str
    title: str
    base_url: str
    hosts: tuple[str, ...] = ()
    port: int | None = None
    length_field: LengthField = "max_tokens"
    stream_options: bool = True
    temperature_max: float = 2.0
    cancel: CancelPolicy = "UNKNOWN"
    embedding_batch_max: int = 2_048


def _local(name: str, title: str, port: int, cancel: CancelPolicy = "CANCEL") -> Preset:
    return Preset(name, title, f"http://127.0.0.1:{port}/v1", port=port, cancel=cancel)


DASHSCOPE_TEMPERATURE_MAX = 1.99
"""It takes what is below 2."""
OTHER = Preset("other", "Another server", "")
PRESETS: tuple[Preset, ...] = (
    _local("ollama", "Ollama", 11434),
    _local("lm-studio", "LM Studio", 1234, "UNKNOWN"),
    _local("llama.cpp", "llama.cpp", 8080),
    _local("vllm", "vLLM", 8000),
    Preset(
        "openai",
        "OpenAI",
        "https://api.openai.com/v1",
        ("api.openai.com",),
        length_field="max_completion_tokens",
        cancel="CANCEL",
    ),
    Preset(
        "azure",
        "Azure OpenAI",
        "https://RESOURCE.openai.azure.com/openai/v1",
        (".openai.azure.com", ".cognitiveservices.azure.com"),
        length_field="max_completion_tokens",
        cancel="CANCEL",
    ),
    Preset("deepseek", "DeepSeek", "https://api.deepseek.com/v1", ("api.deepseek.com",), cancel="CANCEL"),
    Preset(
        "moonshot",
        "Moonshot",
        "https://api.moonshot.cn/v1",
        ("api.moonshot.cn", "api.moonshot.ai"),
        temperature_max=1.0,
    ),
    Preset(
        "zhipu",
        "Zhipu",
        "https://open.bigmodel.cn/api/paas/v4",
        ("open.bigmodel.cn", "api.z.ai"),
        stream_options=False,
        temperature_max=1.0,
        embedding_batch_max=64,
    ),
    Preset(
        "qianfan",
        "Baidu Qianfan (ERNIE)",
        "https://qianfan.baidubce.com/v2",
        ("qianfan.baidubce.com",),
        temperature_max=1.0,
        embedding_batch_max=16,
    ),
    Preset("ark", "Volcengine Ark (Doubao)", "https://ark.cn-beijing.volces.com/api/v3", (".volces.com",)),
    Preset("hunyuan", "Tencent Hunyuan", "https://api.hunyuan.cloud.tencent.com/v1", (".tencent.com",)),
    Preset(
        "minimax",
        "MiniMax",
        "https://api.minimax.io/v1",
        (".minimax.io", ".minimaxi.com"),
        temperature_max=1.0,
        cancel="DRAIN",
    ),
    Preset("siliconflow", "SiliconFlow", "https://api.siliconflow.cn/v1", (".siliconflow.cn", ".siliconflow.com")),
    Preset(
        "dashscope",
        "Alibaba Bailian, compatible mode",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        (".aliyuncs.com",),
        temperature_max=DASHSCOPE_TEMPERATURE_MAX,
        cancel="DRAIN",
        embedding_batch_max=10,
    ),
    Preset(
        "gemini",
        "Google Gemini, compatible mode",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        (".googleapis.com",),
        cancel="DRAIN",
        embedding_batch_max=100,
    ),
    Preset(
        "bedrock",
        "AWS Bedrock, compatible mode",
        "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
        (".amazonaws.com",),
        cancel="DRAIN",
    ),
    Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", ("openrouter.ai",)),
    Preset("groq", "Groq", "https://api.groq.com/openai/v1", ("api.groq.com",), cancel="DRAIN"),
    Preset("mistral", "Mistral", "https://api.mistral.ai/v1", (".mistral.ai",), stream_options=False, cancel="DRAIN"),
    Preset("xai", "xAI", "https://api.x.ai/v1", ("api.x.ai",), cancel="CANCEL"),
    Preset("together", "Together", "https://api.together.xyz/v1", (".together.xyz", ".together.ai"), cancel="CANCEL"),
    Preset("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", (".fireworks.ai",), cancel="CANCEL"),
)
BY_NAME = {preset.name: preset for preset in PRESETS}


_AS_IT_IS = re.compile(r"(?:^|[/.])(?:o\d|gpt-5|kimi-k|claude-opus-(?:4[.-][7-9]|[5-9]))", re.IGNORECASE)
"""Models that refuse a call which says how freely to choose words."""


def temperature(model: str, wished: float | None, most: float) -> float | None:
    """What to ask of a model for what an author wishes; None to ask for nothing."""
    return None if wished is None or _AS_IT_IS.search(model) else min(wished, most)


def preset_for(base_url: str) -> Preset:
    """The preset of an address's host, or of the port when it is this machine's; `OTHER` when nobody knows it."""
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return OTHER
    return next((preset for preset in PRESETS if _known(preset, host, port)), OTHER)


def cancel_policy(kind: str, base_url: str | None) -> CancelPolicy:
    """The first guess for a channel of this kind (a `ProviderKind`) and address."""
    match kind:
        case "DASHSCOPE" | "GEMINI":
            return "DRAIN"
        case "OPENAI_COMPATIBLE":
            return preset_for(base_url or BY_NAME["openai"].base_url).cancel
        case _:
            return "CANCEL"


def _known(preset: Preset, host: str, port: int | None) -> bool:
    if preset.port is not None:
        return port == preset.port and host in ("127.0.0.1", "localhost", "::1")
    return any(host == name or (name.startswith(".") and host.endswith(name)) for name in preset.hosts)
