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
from ml_core import model_pool
from web.rest.owner_filter import OwnerFilter
from web.rest.picture_uploads import PictureAPIView, picture_request, queue_key_of, server_timing
from web.rest.schema import MODEL_ERRORS, PICTURE_ERRORS, STORAGE_ERRORS, problems
from web.storage.choice import Storing
from web.storage.owners import Owner
from web.storage.quota import check_storage

TAGS = ["classification"]


class ClassifyView(PictureAPIView):
    """Classify a picture.

    Send it as the multipart field "image", as a raw body of type image/*, or as JSON with base64
    text in "image". Query parameters, form fields or JSON members may name a "model", and "store"
    says whether to store the picture with its class (see `/api/classify/pictures/`). With
    "if_possible", the default, a picture that cannot be stored is classified all the same, and
    "not_stored" in the response says why.
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
        data, storing = parameters["image"], Storing(parameters["store"])
        if storing.is_wanted:
            with storing.attempt():
                check_storage(Owner.of(request), len(data))
        model = model_pool.wait_until_loaded("classification", parameters["model"])
        queue_key = queue_key_of(request)
        if storing.is_wanted:
            thumbnail, found = services.classify_to_store(data, model=model, queue_key=queue_key)
            with storing.attempt():
                services.store(data, thumbnail, found, owner=Owner.with_session(request))
        else:
            found = services.classify_file(data, model=model, queue_key=queue_key)
        answer = ClassificationSerializer(found).data
        answer |= {"truncated": found.is_truncated, **storing.response_fields()}
        return Response(answer, headers=server_timing(found.timing_ms))


@extend_schema_view(get=extend_schema(operation_id="classified_pictures", tags=TAGS))
class StoredPicturesView(ListAPIView):
    """Your own classified pictures, the newest first."""

    serializer_class = ClassifiedImageSerializer
    queryset = ClassifiedImage.objects.all()
    filter_backends = [OwnerFilter]


@extend_schema_view(
    get=extend_schema(operation_id="classified_picture", tags=TAGS),
    delete=extend_schema(operation_id="delete_classified_picture", tags=TAGS),
)
class StoredPictureView(RetrieveDestroyAPIView):
    """One of your own classified pictures; DELETE removes its file as well."""

    serializer_class = ClassifiedImageSerializer
    queryset = ClassifiedImage.objects.all()
    filter_backends = [OwnerFilter]
