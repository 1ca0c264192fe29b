"""The protocol's server side: published models with their brokers, for any gRPC server.

The servers of grpcio and Ray Serve both call these methods; the latter passes the context by the
name ``grpc_context``. Errors are set on it: that works in both, unlike raising them.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from ml_core.broker import Broker, InferenceResult
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import load_engine
from ml_core.engines.published import read_published
from ml_core.errors import Busy, InferenceFailed, InferenceTimeout, UnknownModel, VisionError
from ml_core.inference_protocol import v2_pb2 as pb
from ml_core.inference_protocol.tensors import BadTensor, add_predictions, read_inputs
from ml_core.inference_protocol.v2_pb2_grpc import GRPCInferenceServiceServicer

logger = logging.getLogger(__name__)

# The site decides in what order its pictures are sent, so there is only one queue key here.
QUEUE_KEY = "cluster"
# The site's clients wait at most this long, unless a request says otherwise.
TIMEOUT_S = 30.0
MAX_QUEUED = 64


class OtherVersion(VisionError):
    """This replica has another version of the model than the request is for."""


class BadRequest(VisionError):
    """The request does not have the input that the model takes."""


# INTERNAL and UNAVAILABLE are left to what ends a replica: clients try those again.
STATUS_CODES: dict[type[VisionError], grpc.StatusCode] = {
    Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
    InferenceTimeout: grpc.StatusCode.DEADLINE_EXCEEDED,
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    OtherVersion: grpc.StatusCode.FAILED_PRECONDITION,
    BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    InferenceFailed: grpc.StatusCode.ABORTED,
}


@dataclass(frozen=True)
class Served:
    """A model with its queue."""

    spec: ModelSpec
    version: str
    broker: Broker


def load_published(folder: Path, *, precision: str) -> Served:
    """Load a version of a model that ``publish_models`` wrote. Raises ``ModelFileError``."""
    published = read_published(folder)
    load = partial(
        load_engine, published.spec, kind="openvino", precision=precision, cache_dir=folder
    )
    broker = Broker(load, max_queued=MAX_QUEUED, hang_timeout_s=TIMEOUT_S)
    return Served(published.spec, published.version, broker)


class InferenceService(GRPCInferenceServiceServicer):
    """Answers with boxes and probabilities, see ``tensors.add_predictions``.

    Requests have one input, a (B, H, W, 3) UINT8 RGB batch of the network's input size. Their
    parameter ``timeout``, in microseconds, is how long the client waits.
    """

    def __init__(self, models: Mapping[str, Served]) -> None:
        self._models = models

    async def ServerLive(self, request: Any, grpc_context: Any) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, grpc_context: Any) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(self, request: Any, grpc_context: Any) -> pb.ModelReadyResponse:
        try:
            served = self._find(request.name, request.version)
        except VisionError as exc:
            _tell(exc, grpc_context)
            return pb.ModelReadyResponse()
        return pb.ModelReadyResponse(ready=not served.broker.hung_for_s)

    async def ModelInfer(self, request: Any, grpc_context: Any) -> pb.ModelInferResponse:
        try:
            return await self._infer(request)
        except VisionError as exc:
            _tell(exc, grpc_context)
            return pb.ModelInferResponse()

    async def _infer(self, request: Any) -> pb.ModelInferResponse:
        served = self._find(request.model_name, request.model_version)
        batch = _read_batch(request, served.spec)
        timeout_us = request.parameters["timeout"].int64_param
        timeout_s = timeout_us / 1e6 if timeout_us > 0 else TIMEOUT_S
        futures = _submit_all(served.broker, batch, timeout_s)
        waiting = asyncio.gather(*map(asyncio.wrap_future, futures))
        try:
            results = await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError as exc:
            raise InferenceTimeout(f"The model did not respond within {timeout_s:.1f} s.") from exc
        response = pb.ModelInferResponse(
            model_name=request.model_name, model_version=served.version
        )
        add_predictions(response, [result.prediction for result in results])
        return response

    def _find(self, name: str, version: str) -> Served:
        served = self._models.get(name)
        if not served:
            known = ", ".join(self._models)
            raise UnknownModel(f"There is no model {name[:100]!r} here. It has: {known}.")
        if version not in ("", served.version):
            raise OtherVersion(
                f"This is version {served.version} of {name}; the request is for version "
                f"{version[:100]}."
            )
        return served


def _submit_all(
    broker: Broker, batch: np.ndarray, timeout_s: float
) -> list[Future[InferenceResult]]:
    """Queue all pictures, or none. Raises ``Busy``."""
    futures: list[Future[InferenceResult]] = []
    try:
        for picture in batch:
            futures.append(broker.submit(picture, queue_key=QUEUE_KEY, timeout_s=timeout_s))
    except Busy:
        for future in futures:
            future.cancel()
        raise
    return futures


def _read_batch(request: Any, spec: ModelSpec) -> np.ndarray:
    width, height = spec.input_wh
    try:
        (batch,) = read_inputs(request).values()
    except ValueError as exc:
        text = (
            exc if isinstance(exc, BadTensor) else f"expected one, received {len(request.inputs)}"
        )
        raise BadRequest(f"The inputs of the request are invalid: {text}.") from exc
    is_of_size = batch.ndim == 4 and batch.shape[1:] == (height, width, 3)
    if batch.dtype != np.uint8 or not is_of_size or not 1 <= len(batch) <= MAX_QUEUED:
        raise BadRequest(
            f"Expected 1 to {MAX_QUEUED} uint8 pictures, [B, {height}, {width}, 3], received "
            f"{batch.dtype} of shape {[*batch.shape]}."
        )
    return batch


def _tell(exc: VisionError, grpc_context: Any) -> None:
    grpc_context.set_code(STATUS_CODES.get(type(exc), grpc.StatusCode.UNKNOWN))
    grpc_context.set_details(exc.detail)
