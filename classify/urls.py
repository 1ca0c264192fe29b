from django.urls import path
from django.views.generic import TemplateView

app_name = "classify"
urlpatterns = [
    path("classify/", TemplateView.as_view(template_name="classify/stage.html"), name="stage"),
]
