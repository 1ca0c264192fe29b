from django.urls import path
from django.views.generic import TemplateView

app_name = "detect_video"
urlpatterns = [
    path("detect-video/", TemplateView.as_view(template_name="detect_video/stage.html"), name="stage"),
]
