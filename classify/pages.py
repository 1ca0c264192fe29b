"""A visitor's own classified pictures: as a page, as files, and for programs."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView, RetrieveDestroyAPIView

from classify.models import ClassifiedImage
from classify.serializers import ClassifiedImageSerializer
from ml_core.labels import shown_name
from web.keeping.media import picture_response
from web.keeping.owners import OwnedQuerySet, Owner
from web.keeping.quota import storage_note

PICTURES_PER_PAGE = 24
TAGS = ["classification"]


def own_pictures(request: HttpRequest) -> OwnedQuerySet:
    """What belongs to who asks, the newest first."""
    return ClassifiedImage.objects.of(Owner.of(request.user, request.session))


def kept_page(request: HttpRequest) -> HttpResponse:
    """The visitor's own pictures, to be looked at or deleted."""
    page = Paginator(own_pictures(request), PICTURES_PER_PAGE).get_page(request.GET.get("page"))
    owner = Owner.of(request.user, request.session)
    return render(request, "classify/kept.html", {"page": page, "storage": storage_note(owner)})


def delete_kept(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks whether one of the visitor's own pictures is to be deleted; POST deletes it."""
    kept = get_object_or_404(own_pictures(request), pk=pk)
    if request.method == "POST":
        kept.delete()
        return redirect("classify:kept-list")
    context = {
        "name": shown_name(kept.class_name, get_language() or "en"),
        "picture_url": kept.file_url,
        "back_url": reverse("classify:kept-list"),
    }
    return render(request, "confirm_delete.html", context)


def kept_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The file of one of the visitor's own pictures; ``?small`` asks for a small copy."""
    kept = get_object_or_404(own_pictures(request), pk=pk)
    return picture_response(request, kept, "file", small="small" in request.GET)


@extend_schema_view(get=extend_schema(operation_id="classified_pictures", tags=TAGS))
class KeptPicturesView(ListAPIView):
    """Your own classified pictures, the newest first."""

    serializer_class = ClassifiedImageSerializer
    queryset = ClassifiedImage.objects.none()

    def get_queryset(self) -> OwnedQuerySet:
        return own_pictures(self.request)


@extend_schema_view(
    get=extend_schema(operation_id="classified_picture", tags=TAGS),
    delete=extend_schema(operation_id="delete_classified_picture", tags=TAGS),
)
class KeptPictureView(RetrieveDestroyAPIView):
    """One of your own classified pictures; DELETE removes its file as well."""

    serializer_class = ClassifiedImageSerializer
    queryset = ClassifiedImage.objects.none()

    def get_queryset(self) -> OwnedQuerySet:
        return own_pictures(self.request)
