"""A gRPC server in a thread of the tests, which can go away and come back at the same port."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from ml_core.inference_protocol.server import MESSAGE_OPTIONS
from ml_core.inference_protocol.v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server


class BareServer:
    """Serves ``service``, which may be replaced, from ``start`` to ``stop``."""

    def __init__(self, service: Any) -> None:
        self.service = service
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.target = f"127.0.0.1:{free.getsockname()[1]}"
        self._stop: Any = None

    def start(self) -> None:
        started = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(started),))
        self._thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        if self._stop:
            self._stop()
            self._thread.join()
            self._stop = None

    async def _serve(self, started: threading.Event) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stopping.set)
        server = grpc.aio.server(options=[*MESSAGE_OPTIONS, ("grpc.so_reuseport", 0)])
        add_GRPCInferenceServiceServicer_to_server(self.service, server)
        server.add_insecure_port(self.target)
        await server.start()
        started.set()
        await stopping.wait()
        await server.stop(None)


@contextmanager
def running(service: Any) -> Iterator[BareServer]:
    """A server that runs at first, and is stopped at the end."""
    server = BareServer(service)
    server.start()
    try:
        yield server
    finally:
        server.stop()
