"""Our own PostgreSQL and Valkey: started from wheels, on loopback, dying with the process that started them.

    postgres = PostgresServer(Path("/tmp/x/postgres"))
    postgres.start()                # seconds the first time, a tenth of a second later
    postgres.url()                  # postgresql://postgres:...@127.0.0.1:20817/fabula
    postgres.stop()                 # or destroy(), which also removes the data

Start them from the main thread: the kernel ends a child when the *thread* that started it ends.
"""

from app.embedded.errors import AlreadyRunning, EmbeddedError, ServerDied, Unsupported
from app.embedded.postgres import PostgresServer
from app.embedded.valkey import ValkeyServer

__all__ = [
    "AlreadyRunning",
    "EmbeddedError",
    "PostgresServer",
    "ServerDied",
    "Unsupported",
    "ValkeyServer",
]
