"""The models page; the staff's changes go through the API."""

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ml_core.catalog import selection
from model_library import jobs
from model_library.cards import model_cards
from model_library.fields import ANSWERS
from model_library.models import Kind, ModelJob, State


@require_safe
def models_page(request: HttpRequest) -> HttpResponse:
    """All models with what they detect, how well and how fast; the staff changes them here."""
    cards = model_cards()
    context: dict[str, object] = {
        "installed": [card for card in cards if card.is_shown_first],
        "others": [card for card in cards if not card.is_shown_first],
    }
    if request.user.is_staff:
        jobs.fail_interrupted()
        # The person's own uploads can be cancelled after the page that sent them is gone.
        own = Q(state=State.UPLOADING, user=request.user)
        uploads = ModelJob.objects.filter(own | Q(kind=Kind.ADD) & ~Q(state=State.UPLOADING))
        context |= {
            "operators_defaults": [
                name for task in selection.TASKS if (name := selection.operators_default(task))
            ],
            "uploads": [(job, answers_of(job)) for job in uploads.order_by("-created_at")],
            "answers": [field.with_value({}) for field in ANSWERS],
            "limits": settings.LIMITS,
        }
    return render(request, "model_library/models.html", context)


def answers_of(job: ModelJob) -> list:
    """The fields of what a person knows about an uploaded model, with what was answered."""
    return [field.with_value(job.answers) for field in ANSWERS]
