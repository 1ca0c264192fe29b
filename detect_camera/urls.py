from django.urls import path
from django.views.generic import TemplateView

app_name = "detect_camera"
urlpatterns = [
    path("detect-camera/", TemplateView.as_view(template_name="detect_camera/stage.html"), name="stage"),
]
