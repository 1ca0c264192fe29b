"""Counters and timings, for Prometheus and the operator's page."""

from collections import deque
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Histogram

registry = CollectorRegistry()

STAGE_SECONDS = Histogram(
    "vision_stage_seconds",
    "Duration of each stage of processing a picture or frame",
    ["stage"],
    registry=registry,
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
FRAMES = Counter(
    "vision_frames", "Frames of cameras and videos", ["source", "outcome"], registry=registry
)

# The latest times of each stage in ms, because the histogram covers the whole life of the process.
# The stages are in processing order.
RECENT = 200
_recent_ms: dict[str, deque[float]] = {
    stage: deque(maxlen=RECENT)
    for stage in ("decode", "preprocess", "queue", "inference", "postprocess", "draw")
}


def measured(stage: str, ms: float) -> float:
    """Record that ``stage`` took ``ms`` milliseconds; returns ``ms``."""
    STAGE_SECONDS.labels(stage).observe(ms / 1000)
    _recent_ms[stage].append(ms)
    return ms


def recent_times() -> dict[str, list[float]]:
    """The latest times of each stage of this process in ms."""
    return {stage: [*kept] for stage, kept in _recent_ms.items()}


def stage_figures(times_ms: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile in ms of the times of each stage that has any."""
    return {
        stage: {"median_ms": round(median(times), 2), "p95_ms": round(_p95(times), 2)}
        for stage, times in ((stage, sorted(kept)) for stage, kept in times_ms.items())
        if times
    }


def _p95(times: list[float]) -> float:
    return times[min(len(times) - 1, int(len(times) * 0.95))]
