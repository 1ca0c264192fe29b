from django.urls import path

from classify import api, pages

app_name = "classify"
urlpatterns = [
    path("classify/", pages.classify_page, name="stage"),
    path("classify/client.py", pages.client_file, name="client"),
    path("classify/pictures/", pages.stored_page, name="stored-list"),
    path("classify/pictures/<int:pk>/", pages.stored_file, name="file"),
    path("classify/pictures/<int:pk>/delete/", pages.delete_stored, name="delete"),
    path("api/classify/", api.ClassifyView.as_view(), name="api"),
    path("api/classify/pictures/", api.StoredPicturesView.as_view(), name="api-stored-list"),
    path("api/classify/pictures/<int:pk>/", api.StoredPictureView.as_view(), name="api-stored"),
]
