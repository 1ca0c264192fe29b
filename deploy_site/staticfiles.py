"""Static files with hashed names, which browsers may cache forever."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites the imports of ES modules to hashed names."""

    # Django's own patterns search a large file to its end for each "export" in it; names contain
    # neither quotes nor semicolons. They also rewrite import("..."), which only comments on types
    # have here: all files would be processed twice as often.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        (
            "*.js",
            (
                (
                    r"""(?P<matched>(?P<names>(?:import|export)[\s{*][^;"']*?from|import)"""
                    r"""\s*["'](?P<url>[./][^"']*)["']\s*;)""",
                    """%(names)s "%(url)s";""",
                ),
            ),
        ),
    )


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """``WhiteNoiseMiddleware`` with complete responses.

    Under ASGI, Django reads a file's iterator to its end before it answers, and warns of that.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """The response for a static file, or for a range of it."""
        answer = static_file.get_response(request.method, request.META)
        content = b""
        if answer.file:
            with answer.file:
                content = answer.file.read()
        response = HttpResponse(content, status=int(answer.status))
        del response["Content-Type"]
        for name, value in answer.headers:
            response[name] = value
        return response


class StaticFilesFilter(logging.Filter):
    """Drops the lines of uvicorn's access log about static files that were found."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; its arguments are those of uvicorn."""
        match record.args:
            case (_, _, str(path), _, int(status)):
                return status >= 400 or not path.startswith(f"/{settings.STATIC_URL.strip('/')}/")
        return True
