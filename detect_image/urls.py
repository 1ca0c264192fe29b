from django.urls import path

from detect_image import api, pages

app_name = "detect_image"
urlpatterns = [
    path("detect-image/", pages.picture_page, name="picture"),
    path("detect-image/server/", pages.server_page, name="server"),
    path("detect-image/client.py", pages.client_file, name="client"),
    path("detect-image/pictures/", pages.kept_page, name="kept-list"),
    path("detect-image/pictures/<uuid:pk>/", pages.picture_page, name="kept"),
    path("detect-image/pictures/<uuid:pk>/delete/", pages.delete_kept, name="delete"),
    path("detect-image/pictures/<uuid:pk>/<str:file_name>", pages.kept_file, name="file"),
    path("detect-image/gallery/<str:key>", pages.gallery_file, name="gallery-file"),
    path("api/detect/image/", api.DetectImageView.as_view(), name="api"),
    path("api/gallery/", api.GalleryView.as_view(), name="api-gallery"),
    path("api/gallery/picture/", api.GalleryPictureView.as_view(), name="api-gallery-picture"),
    path("api/pictures/", api.KeptPicturesView.as_view(), name="api-kept-list"),
    path("api/pictures/<uuid:pk>/", api.KeptPictureView.as_view(), name="api-kept"),
    path(
        "api/pictures/<uuid:pk>/detect-again/",
        api.DetectAgainView.as_view(),
        name="api-detect-again",
    ),
    path("api/pictures/<uuid:pk>/export/", api.ExportView.as_view(), name="api-export"),
]
