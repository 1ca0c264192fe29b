"""OpenAPI schema of the picture API."""

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiTypes,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers

from detect_image.gallery import NotInGallery
from detect_image.serializers import (
    DetectedImageSerializer,
    DetectOptionsSerializer,
    ExportRequestSerializer,
    GalleryPictureSerializer,
    GalleryRequestSerializer,
)
from web.errors import StorageFull
from web.exports import EXPORTS
from web.rest.picture_uploads import picture_request
from web.rest.schema import (
    MODEL_ERRORS,
    PICTURE_ERRORS,
    STORAGE_ERRORS,
    InvalidParameters,
    problems,
)
from web.rest.serializers import DetectAgainSerializer, DetectionsSerializer
from web.storage.choice import NotStoredSerializer


class DetectAnswerSerializer(DetectionsSerializer):
    """The detections; with return=base64 and return=url the drawn picture; whether the picture is
    stored, and its URLs if so."""

    truncated = serializers.BooleanField(
        help_text="the file is truncated; only the part that could be read was used"
    )
    stored = serializers.BooleanField()
    not_stored = NotStoredSerializer(required=False)
    drawn = serializers.CharField(required=False, help_text="a data URL or an address")
    id = serializers.UUIDField(required=False)
    name = serializers.CharField(required=False)
    created_at = serializers.DateTimeField(required=False)
    original_url = serializers.CharField(required=False)
    drawn_url = serializers.CharField(required=False)
    export_url = serializers.CharField(required=False)
    detect_again_url = serializers.CharField(required=False)
    page_url = serializers.CharField(required=False)


class SeedSerializer(serializers.Serializer):
    """?format=seed: three lists of the same length, for old clients."""

    box_list = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    classId_list = serializers.ListField(child=serializers.IntegerField())
    score_list = serializers.ListField(child=serializers.FloatField())


class GalleryAnswerSerializer(GalleryPictureSerializer):
    """A picture of the gallery, as base64 or as a URL."""

    picture = serializers.CharField(help_text="a data URL or an address")


TEXT_OF = {"json": OpenApiTypes.OBJECT, "coco": OpenApiTypes.OBJECT}

detect = extend_schema(
    operation_id="detect_image",
    tags=["pictures"],
    parameters=[DetectOptionsSerializer],
    request=picture_request(is_required=False),
    responses={
        200: PolymorphicProxySerializer(
            component_name="DetectImageAnswer",
            serializers=[DetectAnswerSerializer, SeedSerializer],
            resource_type_field_name=None,
        ),
        **problems(*PICTURE_ERRORS, *MODEL_ERRORS, *STORAGE_ERRORS, NotInGallery),
    },
)
gallery = extend_schema(
    operation_id="gallery",
    tags=["pictures"],
    responses=GalleryPictureSerializer(many=True),
)
gallery_picture = extend_schema(
    operation_id="gallery_picture",
    tags=["pictures"],
    parameters=[
        OpenApiParameter("key", description="its id or file name"),
        GalleryRequestSerializer,
    ],
    responses={200: GalleryAnswerSerializer, **problems(NotInGallery, InvalidParameters)},
)
stored_pictures = extend_schema_view(get=extend_schema(operation_id="pictures", tags=["pictures"]))
stored_picture = extend_schema_view(
    get=extend_schema(operation_id="picture", tags=["pictures"], responses=DetectedImageSerializer),
    delete=extend_schema(operation_id="delete_picture", tags=["pictures"]),
)
detect_again = extend_schema(
    operation_id="detect_again_in_picture",
    tags=["pictures"],
    request=DetectAgainSerializer,
    responses={
        200: DetectedImageSerializer,
        **problems(*PICTURE_ERRORS, *MODEL_ERRORS, StorageFull),
    },
)
export = extend_schema(
    operation_id="export_picture",
    tags=["pictures"],
    parameters=[ExportRequestSerializer],
    responses={
        **{
            (200, export.media_type.partition(";")[0]): TEXT_OF.get(name, OpenApiTypes.STR)
            for name, export in EXPORTS.items()
        },
        **problems(InvalidParameters),
    },
)
