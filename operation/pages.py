"""The operator's page in the administration."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from operation import status


@require_safe
def operation_page(request: HttpRequest) -> HttpResponse:
    """The operator's page, which polls ``api.site_status``."""
    context: dict[str, Any] = {**admin.site.each_context(request), "title": _("Operations")}
    context |= {"models": status.models(), "has_redis": bool(settings.REDIS_URL)}
    return render(request, "admin/operation.html", context)
