"""Prometheus metrics: request durations, and gauges of the current state."""

import time
from collections.abc import Callable, Iterator

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from detect_camera.consumers import open_cameras
from detect_video.models import Rendering, Video
from detect_video.socket.consumer import open_sockets
from ml_core import model_pool
from ml_core.metrics import registry
from operation import readiness
from web.storage.quota import owned_models

REQUESTS = Histogram(
    "vision_http_request_seconds",
    "Duration of requests by view, method and status",
    ["view", "method", "status"],
    registry=registry,
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestMetrics:
    """Django middleware: measures the duration of each request by view, method and status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        # Only known values: paths chosen by clients would create unbounded series.
        match = request.resolver_match
        view = (match.view_name if match.url_name else match.route) if match else "none"
        method = request.method if request.method in METHODS else "other"
        seconds = time.perf_counter() - started
        REQUESTS.labels(view, method, response.status_code).observe(seconds)
        return response


def open_socket_counts() -> dict[str, int]:
    """Number of WebSockets that are open in this process, by kind."""
    return {"camera": open_cameras.total(), "video": open_sockets.total()}


def site_socket_counts() -> dict[str, int]:
    """Number of WebSockets that are open in all processes of the site, by kind."""
    return {"camera": open_cameras.site_total(), "video": open_sockets.site_total()}


def job_counts() -> dict[str, dict[str, int]]:
    """Number of videos and renderings by state."""
    return {
        name: dict(model.objects.values_list("state").annotate(Count("pk")).order_by("state"))
        for name, model in (("video", Video), ("rendering", Rendering))
    }


def storage_bytes() -> dict[str, int]:
    """Size of the stored media by model."""
    return {
        str(model._meta.label_lower): model.stored_bytes(model.objects.all())
        for model in owned_models()
    }


class SiteCollector(Collector):
    """Computes gauges at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge(
            "vision_queued_pictures",
            "Pictures queued for a model",
            "model",
            model_pool.queued_pictures(),
        )
        yield _gauge("vision_open_sockets", "Open WebSockets", "kind", open_socket_counts())
        yield _gauge("vision_stored_bytes", "Stored media", "kind", storage_bytes())
        jobs = GaugeMetricFamily("vision_jobs", "Videos and renderings", labels=["kind", "state"])
        for kind, counts in job_counts().items():
            for state, count in counts.items():
                jobs.add_metric([kind, state], count)
        yield jobs
        free = readiness.free_bytes()
        yield GaugeMetricFamily("vision_free_bytes", "Free disk space for media", value=free)

    def describe(self) -> list[GaugeMetricFamily]:
        # Otherwise registering it calls collect(), before the database can be queried.
        return []


registry.register(SiteCollector())


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
