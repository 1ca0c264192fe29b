from django.urls import path

from model_library import pages

app_name = "model_library"
urlpatterns = [
    path("", pages.models_page, name="models"),
    path("change/", pages.change, name="change"),
]
