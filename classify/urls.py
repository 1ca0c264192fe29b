from django.urls import path

from classify import views

app_name = "classify"
urlpatterns = [
    path("classify/", views.classify_page, name="stage"),
    path("classify/client.py", views.client_file, name="client"),
    path("api/classify/", views.ClassifyView.as_view(), name="api"),
]
