from django.urls import path
from django.views.generic import TemplateView

stage_page = TemplateView.as_view(template_name="classify/stage.html")

app_name = "classify"
urlpatterns = [path("classify/", stage_page, name="stage")]
