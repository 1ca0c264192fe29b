from django.contrib import admin
from django.urls import path

from operation import views

app_name = "operation"
urlpatterns = [
    path("metrics", views.metrics, name="metrics"),
    path("admin/operation/", admin.site.admin_view(views.operation_page), name="page"),
    path("admin/operation/status/", admin.site.admin_view(views.operation_status), name="status"),
]
