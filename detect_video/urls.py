from django.urls import path
from django.views.generic import TemplateView

stage_page = TemplateView.as_view(template_name="detect_video/stage.html")

app_name = "detect_video"
urlpatterns = [path("detect-video/", stage_page, name="stage")]
