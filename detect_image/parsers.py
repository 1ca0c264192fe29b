"""Request bodies beyond those of Django REST framework."""

from typing import IO, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.parsers import BaseParser


class RawImageParser(BaseParser):
    """A body that is the picture itself, as ``curl --data-binary @dog.jpg`` sends it."""

    media_type = "image/*"

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> dict:
        return {"image": SimpleUploadedFile("body", stream.read(), media_type)}
