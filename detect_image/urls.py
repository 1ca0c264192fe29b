from django.urls import path

from detect_image import api, pages

app_name = "detect_image"
urlpatterns = [
    path("detect-image/", pages.picture_page, name="picture"),
    path("detect-image/server/", pages.server_page, name="server"),
    path("detect-image/client.py", pages.client_file, name="client"),
    path("detect-image/vision_mcp.py", pages.mcp_file, name="mcp"),
    path("detect-image/pictures/", pages.stored_page, name="stored-list"),
    path("detect-image/pictures/<uuid:pk>/", pages.picture_page, name="stored"),
    path("detect-image/pictures/<uuid:pk>/delete/", pages.delete_stored, name="delete"),
    path("detect-image/pictures/<uuid:pk>/<str:file_name>", pages.stored_file, name="file"),
    path("detect-image/gallery/<str:key>", pages.gallery_file, name="gallery-file"),
    path("api/detect/image/", api.DetectImageView.as_view(), name="api"),
    path("api/gallery/", api.GalleryView.as_view(), name="api-gallery"),
    path("api/gallery/picture/", api.GalleryPictureView.as_view(), name="api-gallery-picture"),
    path("api/pictures/", api.StoredPicturesView.as_view(), name="api-stored-list"),
    path("api/pictures/<uuid:pk>/", api.StoredPictureView.as_view(), name="api-stored"),
    path(
        "api/pictures/<uuid:pk>/detect-again/",
        api.DetectAgainView.as_view(),
        name="api-detect-again",
    ),
    path("api/pictures/<uuid:pk>/export/", api.ExportView.as_view(), name="api-export"),
]
