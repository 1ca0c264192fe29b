"""The classification page, its API, and the client file that others may take along."""

from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from classify import services
from classify.serializers import (
    ClassificationSerializer,
    ClassifyAnswerSerializer,
    ClassifyOptionsSerializer,
    ClassifyRequestSerializer,
)
from ml_core import engine
from ml_core.errors import VisionError
from ml_core.labels import shown_name
from web.keeping.choice import Keeping
from web.keeping.owners import Owner, owner_with_session
from web.keeping.quota import check_keeping, storage_note
from web.problem_texts import shown_detail
from web.rest.picture_uploads import PictureAPIView, picture_request, requester, server_timing
from web.rest.schema import MODEL_ERRORS, PICTURE_ERRORS, STORAGE_ERRORS, problems

CLIENT_FILE = Path(__file__).with_name("client.py")


def classify_page(request: HttpRequest) -> HttpResponse:
    """A page that shows pictures side by side with their classes."""
    context: dict[str, object] = {
        "limits": settings.LIMITS,
        "sample_url": static("samples/car.jpg"),
        "storage": storage_note(Owner.of(request.user, request.session)),
    }
    try:
        classifier = engine.default_model("classification")
        language = get_language() or "en"
        labels = [shown_name(label, language) for label in classifier.labels]
        context |= {"classifier": classifier, "labels": labels}
    except VisionError as exc:
        context |= {"classifier_problem": shown_detail(exc.code, exc.detail)}
    return render(request, "classify/stage.html", context)


def client_file(request: HttpRequest) -> FileResponse:
    """The terminal client as a file of its own."""
    return FileResponse(CLIENT_FILE.open("rb"), as_attachment=True, filename="classify_client.py")


class ClassifyView(PictureAPIView):
    """Say which class a picture belongs to.

    Send it as the multipart field "image", as a raw body of type image/*, or as JSON with base64
    text in "image". Query parameters, form fields or JSON members may name a "model" and say
    whether to "keep" the picture with its class, see `/api/classify/pictures/`. With "if_possible",
    the default, the answer comes without room for it as well, and says in "not_kept" why.
    """

    serializer_class = ClassifyRequestSerializer

    @extend_schema(
        operation_id="classify",
        tags=["classification"],
        parameters=[ClassifyOptionsSerializer],
        request=picture_request(),
        responses={
            200: ClassifyAnswerSerializer,
            **problems(*PICTURE_ERRORS, *MODEL_ERRORS, *STORAGE_ERRORS),
        },
    )
    def post(self, request: Request) -> Response:
        parameters = self.validated(request)
        data, keeping = parameters["image"], Keeping(parameters["keep"])
        if keeping.is_wanted:
            with keeping.attempt():
                check_keeping(Owner.of(request.user, request.session), len(data))
        options = {"model": parameters["model"], "client": requester(request)}
        if keeping.is_wanted:
            small, found = services.classify_to_keep(data, **options)
            with keeping.attempt():
                services.keep(data, small, found, owner=owner_with_session(request))
        else:
            found = services.classify_file(data, **options)
        answer = ClassificationSerializer(found).data
        answer |= {"truncated": found.is_truncated, **keeping.told()}
        return Response(answer, headers=server_timing(found.timing_ms))
