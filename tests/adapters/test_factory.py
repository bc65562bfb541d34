"""A channel's kind makes its provider, and nothing heavy with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.dashscope import DashScopeProvider
from adapters.demo import DemoProvider
from adapters.factory import ChannelKind, provider_for
from adapters.openai import OpenAIProvider
from domain.generation.provider import ProviderLimits

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "provider"),
    [("OPENAI_COMPATIBLE", OpenAIProvider), ("DASHSCOPE", DashScopeProvider), ("DEMO", DemoProvider)],
)
async def test_each_kind_has_its_adapter(kind: ChannelKind, provider: type) -> None:
    made = provider_for(kind, base_url=None, api_key=None, limits=ProviderLimits(), demo_delay_s=0)
    assert type(made) is provider
    await made.aclose()


def test_making_every_provider_imports_no_sdk() -> None:
    code = (
        "import sys\n"
        "from adapters.factory import provider_for\n"
        "from domain.generation.provider import ProviderLimits\n"
        "for kind in ('OPENAI_COMPATIBLE', 'DASHSCOPE', 'DEMO'):\n"
        "    provider_for(kind, base_url=None, api_key='k', limits=ProviderLimits(), demo_delay_s=0)\n"
        "print([name for name in ('openai', 'dashscope', 'httpx', 'httpx2', 'aiohttp') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
