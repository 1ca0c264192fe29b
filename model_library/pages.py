"""The models page, and the changes that the staff makes there."""

from collections.abc import Callable
from urllib.parse import quote

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST, require_safe

from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.errors import VisionError
from model_library import services
from model_library.cards import model_cards
from web.problem_texts import shown_error

# Each change with what is told once it is done.
CHANGES: dict[str, tuple[Callable[[ModelSpec], object], str]] = {
    "set-default": (services.set_default, gettext_noop("{name} is the default model now.")),
    "enable": (lambda spec: services.set_enabled(spec, True), gettext_noop("{name} is enabled.")),
    "disable": (
        lambda spec: services.set_enabled(spec, False),
        gettext_noop("{name} is disabled."),
    ),
    "preload": (
        lambda spec: services.set_preloaded(spec, True),
        gettext_noop("{name} is loaded now, and whenever the server starts."),
    ),
    "load-on-request": (
        lambda spec: services.set_preloaded(spec, False),
        gettext_noop("{name} is loaded at its first request."),
    ),
    "measure": (services.measure_speed, gettext_noop("The speed of {name} was measured.")),
    "delete": (services.delete, gettext_noop("{name} was deleted.")),
}


@require_safe
def models_page(request: HttpRequest) -> HttpResponse:
    """All models with what they detect, how well and how fast; the staff changes them here."""
    cards = model_cards()
    context = {
        "installed": [card for card in cards if card.is_shown_first],
        "others": [card for card in cards if not card.is_shown_first],
        "operators_defaults": [
            name for task in selection.TASKS if (name := selection.operators_default(task))
        ],
    }
    return render(request, "model_library/models.html", context)


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Make one of ``CHANGES`` to a model; only the staff may."""
    if not (request.user.is_active and request.user.is_staff):
        raise PermissionDenied("Only the staff may change models.")
    spec = selection.models().get(request.POST.get("model", ""))
    if not spec or request.POST.get("change") not in CHANGES:
        raise Http404("There is no such model, or no such change.")
    apply, done = CHANGES[request.POST["change"]]
    try:
        apply(spec)
    except VisionError as exc:
        messages.error(request, shown_error(exc, request))
    else:
        messages.success(request, _(done).format(name=spec.name))
    return redirect(f"{reverse('model_library:models')}#{quote(spec.name)}")
