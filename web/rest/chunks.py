"""Requests of resumable uploads, modelled on the tus protocol: HEAD the offset, PATCH a chunk."""

from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from web.errors import WrongOffset

CHUNK_TYPE = "application/offset+octet-stream"


class ChunkAPIView(APIView):
    """A view that receives chunks; a wrong offset is answered with the right one."""

    throttle_scope = "uploads"

    def state(self, received_bytes: int, size_bytes: int) -> Response:
        """The answer to HEAD: how many bytes have arrived, and how many there will be."""
        headers = {
            "Upload-Offset": str(received_bytes),
            "Upload-Length": str(size_bytes),
            "Cache-Control": "no-store",
        }
        return Response(headers=headers)

    def chunk(self, request: Request) -> tuple[bytes, int]:
        """The chunk in the body, and its offset. Raises the errors of a malformed request."""
        # Clients send no Content-Type with an empty body.
        if request.body and request.content_type != CHUNK_TYPE:
            raise UnsupportedMediaType(request.content_type)
        offset = request.headers.get("Upload-Offset", "")
        if not (offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise ValidationError({"Upload-Offset": ["Expected a number of bytes in this header."]})
        return request.body, int(offset)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, WrongOffset):
            response["Upload-Offset"] = str(exc.offset)
        return response
