"""An S3 server: moto's, over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.blobs_s3 import Bucket, S3Blobs

NAME = "fabula-tests"


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """An empty bucket on a server of its own."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        bucket = Bucket(NAME, "us-east-1", f"http://{host}:{port}", "test-key", "test-secret")
        S3Blobs(bucket, Path())._client().create_bucket(Bucket=NAME)
        yield bucket
    finally:
        server.stop()
