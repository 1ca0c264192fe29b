"""The current state of the site, as shown on the operator's page."""

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.metrics import recent_times, stage_figures
from operation import readiness
from operation.metrics import job_counts, site_socket_counts, storage_bytes
from web import processes
from web.storage.owners import owner_label
from web.storage.quota import owned_models
from web.streams import open_streams

READY = "ready"


def report_status() -> None:
    """Report from now on what the operator's page shows of this process."""
    processes.report("status", process_status)
    processes.start_reporting()


def process_status() -> dict[str, Any]:
    """Streams, models, queues and the latest times of this process, as plain data."""
    return {
        "streams": [
            {
                "source": stream.source,
                "owner": stream.owner.names,
                "fps": stream.fps,
                "done": stream.done,
                "dropped": stream.dropped,
            }
            for stream in open_streams()
        ],
        "models": model_pool.loaded_models(with_commands=True),
        "queued": model_pool.queued_pictures(),
        "times_ms": recent_times(),
    }


def models() -> list[dict[str, Any]]:
    """All known models with their task, state and queue length."""
    return _models([process_status()])


def site_status() -> dict[str, Any]:
    """Checks, models, streams, stages, sockets, jobs and storage; times in ms, sizes in bytes."""
    everywhere = [process_status(), *processes.reports_of_others("status")]
    streams = [stream for each in everywhere for stream in each["streams"]]
    times_ms = {
        stage: [ms for each in everywhere for ms in each["times_ms"][stage]]
        for stage in recent_times()
    }
    return {
        "checks": readiness.checks(),
        "models": _models(everywhere),
        "streams": [{**stream, "owner": owner_label(*stream["owner"])} for stream in streams],
        "stages": stage_figures(times_ms),
        "sockets": site_socket_counts(),
        "jobs": job_counts(),
        "storage": {"used": _stored_by_name(), "free": readiness.free_bytes()},
    }


def _models(everywhere: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "task": spec.task,
            "state": _state(spec, [each["models"].get(spec.name) for each in everywhere]),
            "queued": sum(each["queued"].get(spec.name, 0) for each in everywhere),
        }
        for spec in selection.models().values()
    ]


def _state(spec: Any, states: list[str | None]) -> str:
    """A model's state: where it is not ready everywhere that it is used, the other one."""
    used = [state for state in states if state]
    return next((state for state in used if state != READY), READY) if used else _resting(spec)


def _stored_by_name() -> dict[str, int]:
    stored = storage_bytes()
    names = ((model._meta.label_lower, model._meta.verbose_name_plural) for model in owned_models())
    return {capfirst(str(name)): stored[label] for label, name in names}


def _resting(spec: Any) -> str:
    if spec.problem:
        return spec.problem
    return _("installed") if spec.is_installed else _("not installed")
