from django.urls import path

from classify import api, pages

app_name = "classify"
urlpatterns = [
    path("classify/", pages.classify_page, name="stage"),
    path("classify/client.py", pages.client_file, name="client"),
    path("classify/pictures/", pages.kept_page, name="kept-list"),
    path("classify/pictures/<int:pk>/", pages.kept_file, name="file"),
    path("classify/pictures/<int:pk>/delete/", pages.delete_kept, name="delete"),
    path("api/classify/", api.ClassifyView.as_view(), name="api"),
    path("api/classify/pictures/", api.KeptPicturesView.as_view(), name="api-kept-list"),
    path("api/classify/pictures/<int:pk>/", api.KeptPictureView.as_view(), name="api-kept"),
]
