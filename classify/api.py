"""API: classification, and the stored pictures."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView, RetrieveDestroyAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from classify import services
from classify.models import ClassifiedImage
from classify.serializers import (
    ClassificationSerializer,
    ClassifiedImageSerializer,
    ClassifyAnswerSerializer,
    ClassifyOptionsSerializer,
    ClassifyRequestSerializer,
)
from web.rest.picture_uploads import PictureAPIView, picture_request, queue_key_of, server_timing
from web.rest.schema import MODEL_ERRORS, PICTURE_ERRORS, STORAGE_ERRORS, problems
from web.storage.choice import Keeping
from web.storage.owners import OwnedQuerySet, Owner
from web.storage.quota import check_storage

TAGS = ["classification"]


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
                check_storage(Owner.of(request), len(data))
        options = {"model": parameters["model"], "queue_key": queue_key_of(request)}
        if keeping.is_wanted:
            small, found = services.classify_to_keep(data, **options)
            with keeping.attempt():
                services.keep(data, small, found, owner=Owner.with_session(request))
        else:
            found = services.classify_file(data, **options)
        answer = ClassificationSerializer(found).data
        answer |= {"truncated": found.is_truncated, **keeping.response_fields()}
        return Response(answer, headers=server_timing(found.timing_ms))


@extend_schema_view(get=extend_schema(operation_id="classified_pictures", tags=TAGS))
class KeptPicturesView(ListAPIView):
    """Your own classified pictures, the newest first."""

    serializer_class = ClassifiedImageSerializer
    queryset = ClassifiedImage.objects.none()

    def get_queryset(self) -> OwnedQuerySet:
        return services.own_pictures(self.request)


@extend_schema_view(
    get=extend_schema(operation_id="classified_picture", tags=TAGS),
    delete=extend_schema(operation_id="delete_classified_picture", tags=TAGS),
)
class KeptPictureView(RetrieveDestroyAPIView):
    """One of your own classified pictures; DELETE removes its file as well."""

    serializer_class = ClassifiedImageSerializer
    queryset = ClassifiedImage.objects.none()

    def get_queryset(self) -> OwnedQuerySet:
        return services.own_pictures(self.request)
