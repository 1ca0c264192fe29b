from django.contrib import admin
from django.urls import path

from operation import api, pages

app_name = "operation"
urlpatterns = [
    path("metrics", api.metrics, name="metrics"),
    path("admin/operation/", admin.site.admin_view(pages.operation_page), name="page"),
    path("admin/operation/status/", admin.site.admin_view(api.site_status), name="status"),
]
