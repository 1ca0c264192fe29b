"""The remote engine: a network that runs on another machine, behind the Open Inference Protocol.

Replicas of this project return boxes or probabilities. Other servers return the network's outputs,
which are then decoded here (``ENGINE_DECODE=here``).
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import grpc
import numpy as np

from ml_core.catalog.specs import ModelSpec
from ml_core.engines.targets import grpc_address
from ml_core.errors import (
    Busy,
    EngineUnavailable,
    InferenceFailed,
    InferenceTimeout,
    NotPublished,
    VisionError,
    manage_command,
)
from ml_core.inference_protocol import v2_pb2 as pb
from ml_core.inference_protocol.tensors import (
    DTYPES,
    BadTensor,
    add_input,
    read_outputs,
    read_predictions,
)
from ml_core.inference_protocol.v2_pb2_grpc import GRPCInferenceServiceStub
from ml_core.networks.loading import Prediction, make_decoder
from ml_core.networks.preprocessing import preprocess_array

logger = logging.getLogger(__name__)

# What a replica or a node that goes away answers, or nobody.
RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
# What replicas of this project answer with a text for visitors. Other servers' texts may be
# tracebacks, or name paths and addresses.
TOLD = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ABORTED,
)
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
# How old the answer to the question whether the model is ready may be, and how long it may take.
STATE_SECONDS = 2
# How long pages, probes and reports wait for a newer answer than the last one.
PATIENCE_S = 0.1
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 64 * 2**20),
    ("grpc.max_send_message_length", 64 * 2**20),
    ("grpc.lb_policy_name", "round_robin"),
    # Machines that vanish do not close their connections. Servers refuse more frequent questions.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class RemoteEngine:
    """A model of a cluster; it needs no cluster until the first picture.

    ``targets`` are the servers as "host:port", ``calls`` is how many pictures are sent at a time.
    Replicas of another ``version`` than that of ``published.version_of`` refuse; empty: any.
    """

    max_batch = 1

    def __init__(
        self,
        spec: ModelSpec,
        *,
        targets: Sequence[str],
        decodes_here: bool,
        version: str,
        calls: int,
    ) -> None:
        self.workers = calls
        self._spec = spec
        self._stub = GRPCInferenceServiceStub(channel(tuple(targets)))
        self._version = version
        self._decode = make_decoder(spec) if decodes_here else None
        self._metadata: pb.ModelMetadataResponse | None = None
        # Whether the last picture waited in vain: the following ones then fail at once.
        self._is_away = False
        self._problem_lock = threading.Lock()
        self._problem: VisionError | None = None
        self._problem_due_s = 0.0
        self._asking: threading.Thread | None = None
        self._was_asked = False
        # The last one that the log tells.
        self._refusal: tuple[grpc.StatusCode, str] | None = None

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        return self._outputs(batch, math.inf)

    def infer(self, batch: np.ndarray, *, timeout_s: float = math.inf) -> list[Prediction]:
        # A little before the caller gives up, who then reads why.
        timeout_s *= 0.95
        deadline_s = time.monotonic() + timeout_s
        try:
            if self._decode:
                return self._decode(self._outputs(batch, deadline_s))
            request = self._request("image", batch, timeout_s)
            return read_predictions(self._call(self._stub.ModelInfer, request, deadline_s))
        except BadTensor as exc:
            # The server may have another network now.
            self._metadata = None
            raise EngineUnavailable(f"The cluster's answer cannot be read: {exc}.") from exc

    def info(self) -> dict[str, str]:
        return {"engine": "remote", "version": self._version or "not checked"}

    def problem(self) -> VisionError | None:
        with self._problem_lock:
            asking = self._asking
            if not asking and time.monotonic() >= self._problem_due_s:
                asking = threading.Thread(target=self._ask_and_note, daemon=True)
                self._asking = asking
                asking.start()
        if asking:
            asking.join(PATIENCE_S if self._was_asked else 2 * STATE_SECONDS)
        return self._problem

    def _ask_and_note(self) -> None:
        try:
            self._note(self._ask_problem())
            self._was_asked = True
        finally:
            self._asking = None

    def _note(self, problem: VisionError | None) -> None:
        if str(problem) != str(self._problem):
            logger.warning("%s: %s", self._spec.name, problem or "ready again")
        self._problem = problem
        self._problem_due_s = time.monotonic() + STATE_SECONDS

    def _ask_problem(self) -> VisionError | None:
        request = pb.ModelReadyRequest(name=self._spec.name, version=self._version)
        try:
            answer = self._call_once(self._stub.ModelReady, request, STATE_SECONDS)
        except grpc.RpcError as exc:
            return self._as_error(exc)
        if answer.ready:
            return None
        return EngineUnavailable(f"{self._spec.name} is not ready on the cluster.")

    def _request(self, name: str, batch: np.ndarray, timeout_s: float) -> pb.ModelInferRequest:
        request = pb.ModelInferRequest(model_name=self._spec.name, model_version=self._version)
        add_input(request, name, batch)
        if not self._decode and timeout_s < math.inf:
            # Ray Serve does not pass a call's deadline on to the replica.
            request.parameters["timeout"].int64_param = max(1, int(timeout_s * 1e6))
        return request

    def _outputs(self, batch: np.ndarray, deadline_s: float) -> list[np.ndarray]:
        """The raw outputs in the order of the model's decoder, each (B, ...) float32."""
        if not self._decode:
            raise EngineUnavailable("Replicas return boxes, not the outputs of the network.")
        if not self._metadata:
            asked = pb.ModelMetadataRequest(name=self._spec.name)
            self._metadata = self._call(self._stub.ModelMetadata, asked, deadline_s)
        entry, *others = self._metadata.inputs or [None]
        if not entry or others or entry.datatype not in DTYPES:
            described = [f"{each.name} {each.datatype}" for each in self._metadata.inputs]
            raise BadTensor(f"expected a model with one input, found {', '.join(described)}")
        pixels = batch
        if entry.datatype != "UINT8":
            # The network as its framework saved it, and not as publish_models does.
            pixels = preprocess_array(batch, self._spec.input, DTYPES[entry.datatype])
        request = self._request(entry.name, pixels, math.inf)
        found = read_outputs(self._call(self._stub.ModelInfer, request, deadline_s))
        names = self._spec.output.tensors if self._spec.output else ()
        if not names or not set(names) <= found.keys():
            names = tuple(each.name for each in self._metadata.outputs)
        if missing := set(names) - found.keys():
            raise BadTensor(f"it lacks the outputs {', '.join(sorted(missing))}")
        return [found[name].astype(np.float32, copy=False) for name in names]

    def _call(self, method: Any, request: Any, deadline_s: float) -> Any:
        """Call, and again until ``deadline_s`` while nobody answers. Raises ``VisionError``."""
        pause_s = FIRST_PAUSE_S
        last: VisionError | None = None
        while True:
            try:
                answer = self._call_once(method, request, deadline_s - time.monotonic())
            except grpc.RpcError as exc:
                # Not the exception itself, whose traceback would keep the picture in memory.
                code, error = exc.code(), self._as_error(exc)
            else:
                if self._is_away:
                    self._is_away = False
                    self._note(None)
                return answer
            if code in RETRIED:
                last = error
                if not self._is_away and time.monotonic() + pause_s < deadline_s:
                    time.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
            elif code == grpc.StatusCode.DEADLINE_EXCEEDED and last:
                # The last of several calls that nobody answered.
                error = last
            if error is last:
                self._is_away = True
                # Another one, as the traceback of what is raised keeps the picture in memory.
                self._note(EngineUnavailable(error.detail))
            raise error

    def _call_once(self, method: Any, request: Any, timeout_s: float) -> Any:
        # Ray Serve finds the model by this.
        metadata = [("application", self._spec.name)]
        timeout = None if timeout_s == math.inf else max(0.001, timeout_s)
        return method(request, timeout=timeout, metadata=metadata)

    def _as_error(self, error: Any) -> VisionError:
        code, details = error.code(), error.details() or ""
        if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Busy("The cluster is busy. Try again in a moment.")
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return InferenceTimeout("The cluster did not respond in time. Try again later.")
        if code in RETRIED:
            return EngineUnavailable("The cluster that runs the models does not respond.")
        reason = code.name
        if code in TOLD and not self._decode:
            reason += f": {details[:300]}"
        elif (code, details) != self._refusal:
            # Once, as every picture may be refused.
            self._refusal = code, details
            logger.warning("%s: the cluster answers %s: %s", self._spec.name, code.name, details)
        if code == grpc.StatusCode.ABORTED:
            return InferenceFailed(f"The model failed on this picture: {reason}")
        is_unpublished = code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)
        text = f"The cluster cannot run {self._spec.name}: {reason}"
        if not is_unpublished:
            return EngineUnavailable(text)
        command = manage_command(f"publish_models {self._spec.name} --to FOLDER")
        return NotPublished(text, command="" if self._decode else command)


@lru_cache
def channel(targets: tuple[str, ...]) -> grpc.Channel:
    """The channel of this process to the servers, which take turns.

    ``targets`` are IP addresses with ports, or one name, whose addresses all take turns.
    """
    return grpc.insecure_channel(grpc_address(targets), options=CHANNEL_OPTIONS)
