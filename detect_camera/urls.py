from django.urls import path
from django.views.generic import TemplateView

stage_page = TemplateView.as_view(template_name="detect_camera/stage.html")

app_name = "detect_camera"
urlpatterns = [path("detect-camera/", stage_page, name="stage")]
