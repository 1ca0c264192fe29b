"""A gRPC server of published models: one more machine for a site, without a cluster.

Usage: ``python -m ml_core.inference_protocol.server FOLDER [--address 127.0.0.1:9000]``, with the
folder that ``publish_models`` wrote. It serves the newest version of every model in it.
"""

import argparse
import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path

import grpc

from ml_core.engines.published import newest_version
from ml_core.inference_protocol.service import InferenceService, Served, load_published
from ml_core.inference_protocol.v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

# A batch of frames; gRPC's own limit of 4 MB is below some.
MAX_MESSAGE_BYTES = 64 * 2**20
MESSAGE_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
# Calls in progress may finish after SIGTERM.
GRACE_S = 10


def load_all(folder: Path, *, precision: str) -> dict[str, Served]:
    """The newest version of every model below ``folder``. Raises ``ModelFileError``."""
    newest = (newest_version(path) for path in sorted(folder.iterdir()) if path.is_dir())
    served = [load_published(path, precision=precision) for path in newest if path]
    return {each.spec.name: each for each in served}


async def serve(service: InferenceService, address: str) -> None:
    """Serve at ``address``, such as ``127.0.0.1:9000``, until cancelled or sent SIGTERM."""
    server = grpc.aio.server(options=MESSAGE_OPTIONS)
    add_GRPCInferenceServiceServicer_to_server(service, server)
    server.add_insecure_port(address)
    await server.start()
    stopping = asyncio.Event()
    # Windows has no handlers of signals here.
    with suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        await stopping.wait()
    finally:
        await server.stop(GRACE_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    # The protocol has no authentication: only a private network may reach other addresses.
    parser.add_argument("--address", default="127.0.0.1:9000")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    models = load_all(options.folder, precision=options.precision)
    logging.info("serving %s at %s", ", ".join(models) or "no model", options.address)
    asyncio.run(serve(InferenceService(models), options.address))


if __name__ == "__main__":
    main()
