"""llama.cpp as a program: serves a model file on a loopback port, in OpenAI's protocol, until its input closes.

    python -m adapters.local_server FILE CONTEXT_TOKENS

The first line of its input is the key it asks of callers, the only line of its output its address.
It is a process of its own because loading a file holds Python's lock, three seconds for a quarter of a gigabyte: in a
worker every lease would run out. It ends with whoever started it, however that ended.
"""

from __future__ import annotations

import os
import sys

# Prompts of calls that ended, kept to be read again; llama.cpp's own default is 8 GiB.
PROMPT_CACHE_MIB = 256


def main(file: str, context_tokens: int) -> None:
    key = sys.stdin.readline().strip()
    # llama.cpp writes what it likes to the standard output.
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = file
    settings.n_ctx = context_tokens
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.api_keys = [key]
    settings.ui = False
    settings.verbosity = 1
    settings.cache_ram_mib = PROMPT_CACHE_MIB
    server = xllamacpp.Server(settings)
    os.write(answer, f"{server.listening_address}\n".encode())
    os.close(answer)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
