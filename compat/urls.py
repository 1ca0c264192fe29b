"""Addresses of the dialects that the setting ``COMPAT`` names."""

from django.conf import settings

from compat import deepstack, doods, label_studio, open_inference, roboflow

DIALECTS = {
    "deepstack": deepstack.urlpatterns,
    "doods": doods.urlpatterns,
    "roboflow": roboflow.urlpatterns,
    "open-inference": open_inference.urlpatterns,
    "label-studio": label_studio.urlpatterns,
}

app_name = "compat"
urlpatterns = [pattern for name in settings.COMPAT for pattern in DIALECTS[name]]
