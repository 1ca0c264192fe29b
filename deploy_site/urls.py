"""URL configuration of the site."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView

from deploy_site import pages
from deploy_site.api import ExampleView
from operation.api import livez, readyz
from web import problems
from web.api import LimitsView, ModelsView, SchemaView

admin.site.site_header = admin.site.site_title = _("Vision Online")
admin.site.index_title = _("Administration")

urlpatterns = [
    path("", pages.home, name="home"),
    path("", include("classify.urls")),
    path("", include("detect_image.urls")),
    path("", include("detect_video.urls")),
    path("", include("detect_camera.urls")),
    path("", include("model_library.urls")),
    path("", include("compat.urls")),
    path("accounts/", include("accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/example/", ExampleView.as_view(), name="api-example"),
    path("api/models/", ModelsView.as_view(), name="api-models"),
    path("api/limits/", LimitsView.as_view(), name="api-limits"),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/docs/", pages.api_docs, name="api-docs"),
    path("api/", RedirectView.as_view(pattern_name="api-docs"), name="api"),
    path("api/<path:rest>", problems.unknown_api),
    # Before admin.site.urls, as two of its pages are below /admin/.
    path("", include("operation.urls")),
    # Replaces the admin's own form, which does not limit attempts at the old password.
    path("admin/password_change/", RedirectView.as_view(pattern_name="accounts:password")),
    path("admin/", admin.site.urls),
    path("favicon.ico", pages.favicon),
    path("livez", livez),
    path("readyz", readyz),
]

handler400 = "web.problems.bad_request"
handler403 = "web.problems.permission_denied"
handler404 = "web.problems.page_not_found"
handler500 = "web.problems.server_error"
