"""What the pages' content policy lets them speak with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from adapters.blobs_s3 import Bucket, S3Blobs, origin_of
from app import ui
from app.settings import Settings


async def connects_to() -> str:
    app = FastAPI()
    ui.add_routes(app, Settings.read())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fabula") as client:
        policy = (await client.get("/")).headers["content-security-policy"]
    return next(one for one in policy.split("; ") if one.startswith("connect-src "))


async def test_pages_send_files_to_the_bucket_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await connects_to() == "connect-src 'self' ws: wss:"
    monkeypatch.setenv("FABULA_FILES_S3_BUCKET", "novels")
    monkeypatch.setenv("FABULA_FILES_S3_ENDPOINT_URL", "https://store.example.org:9000/s3/")
    assert await connects_to() == "connect-src 'self' ws: wss: https://store.example.org:9000"
    monkeypatch.delenv("FABULA_FILES_S3_ENDPOINT_URL")
    assert await connects_to() == "connect-src 'self' ws: wss: https://novels.s3.amazonaws.com"


@pytest.mark.parametrize("name", ["novels", "novels.of.ours"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1"])
async def test_a_bucket_s_origin_is_that_of_the_addresses_it_gives(name: str, region: str, tmp_path: Path) -> None:
    bucket = Bucket(name, region)
    store = S3Blobs(Bucket(name, region, None, "key", "secret"), tmp_path)
    sent_to = urlsplit(await store.upload_url("staging/one", 5, timedelta(minutes=1)) or "")
    assert origin_of(bucket) == f"{sent_to.scheme}://{sent_to.netloc}"
