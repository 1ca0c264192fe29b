"""The current state of the site, as shown on the operator's page."""

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.metrics import recent_stages
from operation import readiness
from operation.metrics import job_counts, open_socket_counts, storage_bytes
from web.storage.quota import owned_models
from web.streams import open_streams


def models() -> list[dict[str, Any]]:
    """All known models with their task, state and queue length."""
    loaded, queued = model_pool.loaded_models(), model_pool.queued_pictures()
    return [
        {
            "name": spec.name,
            "task": spec.task,
            "state": loaded.get(spec.name) or _resting_state(spec),
            "queued": queued.get(spec.name, 0),
        }
        for spec in selection.models().values()
    ]


def site_status() -> dict[str, Any]:
    """Checks, models, streams, stages, sockets, jobs and storage; times in ms, sizes in bytes."""
    streams = open_streams()
    return {
        "checks": readiness.checks(),
        "models": models(),
        "streams": [
            {
                "source": stream.source,
                "owner": stream.owner.label,
                "fps": stream.fps,
                "done": stream.done,
                "dropped": stream.dropped,
            }
            for stream in streams
        ],
        "stages": recent_stages(),
        "sockets": open_socket_counts(),
        "jobs": job_counts(),
        "storage": {"used": _stored_by_name(), "free": readiness.free_bytes()},
    }


def _stored_by_name() -> dict[str, int]:
    stored = storage_bytes()
    names = ((model._meta.label_lower, model._meta.verbose_name_plural) for model in owned_models())
    return {capfirst(str(name)): stored[label] for label, name in names}


def _resting_state(spec: Any) -> str:
    if spec.problem:
        return spec.problem
    return _("installed") if spec.is_installed else _("not installed")
