from django.urls import path

from classify import kept_views, views

app_name = "classify"
urlpatterns = [
    path("classify/", views.classify_page, name="stage"),
    path("classify/client.py", views.client_file, name="client"),
    path("classify/pictures/", kept_views.kept_page, name="kept-list"),
    path("classify/pictures/<int:pk>/", kept_views.kept_file, name="file"),
    path("classify/pictures/<int:pk>/delete/", kept_views.delete_kept, name="delete"),
    path("api/classify/", views.ClassifyView.as_view(), name="api"),
    path("api/classify/pictures/", kept_views.KeptPicturesView.as_view(), name="api-kept-list"),
    path("api/classify/pictures/<int:pk>/", kept_views.KeptPictureView.as_view(), name="api-kept"),
]
