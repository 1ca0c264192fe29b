"""Pages of the classification stage, and the files that they link to."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.translation import get_language

from classify.models import ClassifiedImage
from ml_core.catalog import selection
from ml_core.errors import VisionError
from ml_core.labels import shown_name
from web.problem_texts import shown_error
from web.storage.owners import Owner
from web.storage.pages import delete_page, own_picture_or_404, picture_response, pictures_page
from web.storage.quota import storage_usage

CLIENT_FILE = Path(__file__).with_name("client.py")


def classify_page(request: HttpRequest) -> HttpResponse:
    """The page that classifies pictures."""
    context: dict[str, object] = {
        "limits": settings.LIMITS,
        "sample_url": static("samples/car.jpg"),
        "storage": storage_usage(Owner.of(request)),
    }
    try:
        classifier = selection.find("classification", request.GET.get("model", ""))
        language = get_language() or "en"
        labels = [shown_name(label, language) for label in classifier.labels]
        classifiers = selection.usable_models("classification")
        context |= {"classifier": classifier, "classifiers": classifiers, "labels": labels}
    except VisionError as exc:
        context |= {"classifier_problem": shown_error(exc, request)}
    return render(request, "classify/stage.html", context)


def client_file(request: HttpRequest) -> HttpResponse:
    """Download of the terminal client."""
    return HttpResponse(
        CLIENT_FILE.read_bytes(),
        content_type="text/x-python",
        headers={"Content-Disposition": 'attachment; filename="classify_client.py"'},
    )


def stored_page(request: HttpRequest) -> HttpResponse:
    """The requester's stored pictures."""
    return pictures_page(request, ClassifiedImage, "classify/stored.html")


def delete_stored(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete one of the requester's pictures, after a confirmation."""
    stored = own_picture_or_404(request, ClassifiedImage, pk)
    name = shown_name(stored.class_name, get_language() or "en")
    return delete_page(request, stored, name=name, picture_url=stored.file_url)


def stored_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The file of one of the requester's pictures, or with ``?thumbnail`` its thumbnail."""
    stored = own_picture_or_404(request, ClassifiedImage, pk)
    return picture_response(request, stored, "file", thumbnail="thumbnail" in request.GET)
