"""API: detection in pictures, and the stored pictures."""

import base64
import mimetypes
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from rest_framework.generics import ListAPIView, RetrieveDestroyAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_image import gallery, schema, services
from detect_image.models import DetectedImage
from detect_image.renderers import SeedRenderer
from detect_image.serializers import (
    DetectedImageSerializer,
    DetectRequestSerializer,
    ExportRequestSerializer,
    GalleryPictureSerializer,
    GalleryRequestSerializer,
)
from ml_core import model_pool
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from web.exports import EXPORTS
from web.rest.file_views import FileAPIView
from web.rest.owner_filter import OwnerFilter
from web.rest.picture_uploads import PictureAPIView, queue_key_of, server_timing
from web.rest.serializers import DetectAgainSerializer, detections_as_json
from web.storage.choice import StoreChoice, Storing
from web.storage.owners import Owner
from web.storage.pages import own_picture_or_404
from web.storage.quota import check_storage


class DetectImageView(PictureAPIView):
    """Detect objects in a picture.

    Send it as the multipart field "image", as a raw body of type image/*, as JSON with base64
    text in "image", or name one of the server's own pictures in "gallery". The other parameters
    may be query parameters, form fields or JSON members. "return" chooses the response: "json"
    has only the boxes; "base64" and "url" add the drawn picture, as a data URL or as a URL.
    "store" says whether to store the picture with its result (see `/api/pictures/`); "url" always
    stores it. With "if_possible", the result is returned even if the picture cannot be stored, and
    "not_stored" in the response says why.
    """

    serializer_class = DetectRequestSerializer
    renderer_classes = [*PictureAPIView.renderer_classes, SeedRenderer]

    @schema.detect
    def post(self, request: Request) -> Response:
        parameters = self.validated(request)
        answer_as = parameters["return"]
        if "image" in parameters:
            data, name = parameters["image"], parameters["name"]
        else:
            picture = gallery.find_picture(parameters["gallery"])
            data, name = picture.read(), picture.name
        is_seed = request.accepted_renderer.format == SeedRenderer.format
        draw_options, detect_options = _options(parameters, is_drawn=answer_as != "json" or is_seed)
        queue_key = queue_key_of(request)
        # Only stored pictures have a URL.
        storing = Storing(StoreChoice.YES if answer_as == "url" else parameters["store"])
        if storing.is_wanted:
            with storing.attempt():
                check_storage(Owner.of(request), len(data))

        model = model_pool.wait_until_loaded("detection", parameters["model"])
        detect_options = replace(detect_options, model=model)

        if answer_as == "json" and not storing.is_wanted:
            _, found = services.detect_in_file(data, detect_options, queue_key=queue_key)
            answer = detections_as_json(found)
            answer |= {"truncated": found.is_truncated, **storing.response_fields()}
            return Response(answer, headers=server_timing(found.timing_ms))

        if storing.is_wanted:
            jpegs, found = services.draw_to_store(
                data, detect_options, draw_options, queue_key=queue_key
            )
            jpeg, answer = jpegs.drawn, detections_as_json(found)
            with storing.attempt():
                owner = Owner.with_session(request)
                stored = services.store(data, jpegs, found, detect_options, name=name, owner=owner)
                answer = DetectedImageSerializer(stored).data
        else:
            jpeg, found = services.draw_in_file(
                data, detect_options, draw_options, queue_key=queue_key
            )
            answer = detections_as_json(found)
        if answer_as != "json":
            answer["drawn"] = services.data_url(jpeg) if answer_as == "base64" else stored.drawn_url
        answer |= {"truncated": found.is_truncated, **storing.response_fields()}
        return Response(answer, headers=server_timing(found.timing_ms))


class GalleryView(APIView):
    """The server's own pictures that visitors may choose from."""

    @schema.gallery
    def get(self, request: Request) -> Response:
        return Response(GalleryPictureSerializer(gallery.pictures(), many=True).data)


class GalleryPictureView(APIView):
    """One of the server's own pictures; "key" is its id or file name.

    With "return=base64", "picture" in the response is a data URL, which can be used as img.src;
    without it, "picture" is the URL of the picture.
    """

    @schema.gallery_picture
    def get(self, request: Request) -> Response:
        serializer = GalleryRequestSerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        picture = gallery.find_picture(request.query_params.get("key", ""))
        answer = GalleryPictureSerializer(picture).data
        answer["picture"] = answer["url"]
        if serializer.validated_data["return"] == "base64":
            media_type = mimetypes.guess_type(picture.name)[0]
            text = base64.b64encode(picture.read()).decode()
            answer["picture"] = f"data:{media_type};base64,{text}"
        return Response(answer)


@schema.stored_pictures
class StoredPicturesView(ListAPIView):
    """Your own stored pictures, the newest first."""

    serializer_class = DetectedImageSerializer
    queryset = DetectedImage.objects.all()
    filter_backends = [OwnerFilter]


@schema.stored_picture
class StoredPictureView(RetrieveDestroyAPIView):
    """One of your own stored pictures; DELETE removes its files as well."""

    serializer_class = DetectedImageSerializer
    queryset = DetectedImage.objects.all()
    filter_backends = [OwnerFilter]


class DetectAgainView(APIView):
    """Detect again in one of your own stored pictures, with any model.

    The new result and its drawn picture replace the former ones; `drawn_url` changes.
    """

    throttle_scope = "predictions"

    @schema.detect_again
    def post(self, request: Request, pk: str) -> Response:
        serializer = DetectAgainSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        stored = own_picture_or_404(request, DetectedImage, pk)
        model = model_pool.wait_until_loaded("detection", serializer.validated_data["model"])
        queue_key = queue_key_of(request)
        try:
            stored = services.detect_again(stored, model, queue_key=queue_key)
        except (FileNotFoundError, DetectedImage.DoesNotExist) as exc:
            raise Http404("The file of this picture is missing.") from exc
        return Response(
            DetectedImageSerializer(stored).data, headers=server_timing(stored.timing_ms)
        )


class ExportView(FileAPIView):
    """The result of a stored picture in another tool's format, as a file."""

    @schema.export
    def get(self, request: Request, pk: str) -> HttpResponse:
        serializer = ExportRequestSerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        parameters = serializer.validated_data
        stored = own_picture_or_404(request, DetectedImage, pk)
        name = str(stored)
        export = EXPORTS[parameters["as"]]
        found = stored.found.filtered(parameters["score_threshold"], parameters.get("class_ids"))
        response = HttpResponse(export.text(name, found), content_type=export.media_type)
        response.headers["Content-Disposition"] = content_disposition_header(
            True, PurePath(name).stem + export.suffix
        )
        return response


def _options(
    parameters: dict[str, Any], *, is_drawn: bool
) -> tuple[services.DrawOptions, services.DetectOptions]:
    """Build the options. Drawn boxes cannot be filtered later, so their threshold is higher."""
    drawn_from = parameters.get("score_threshold", DRAWN_SCORE_THRESHOLD)
    detected_from = drawn_from if is_drawn else parameters.get("score_threshold", SCORE_FLOOR)
    original_wh = None
    if "original_width" in parameters:
        original_wh = parameters["original_width"], parameters["original_height"]
    draw_options = services.DrawOptions(
        drawn_from,
        parameters["show_names"],
        parameters["show_scores"],
        language=get_language() or "en",
    )
    detect_options = services.DetectOptions(
        parameters["model"],
        detected_from,
        parameters["iou_threshold"],
        original_wh,
        parameters["tiles"],
    )
    return draw_options, detect_options
