from django.urls import include, path

from detect_video import conversion, download_views, pages, upload_view, views

one_video = [
    path("", views.VideoView.as_view(), name="api-video"),
    path("upload/", upload_view.UploadView.as_view(), name="api-upload"),
    path("file/", download_views.FileView.as_view(), name="api-file"),
    path("poster/", download_views.PosterView.as_view(), name="api-poster"),
    path("cancel/", views.CancelView.as_view(), name="api-cancel"),
    path("retry/", views.RetryView.as_view(), name="api-retry"),
    path(
        "results.jsonl",
        download_views.ResultsView.as_view(format_name="jsonl"),
        name="api-results-jsonl",
    ),
    path(
        "results.csv", download_views.ResultsView.as_view(format_name="csv"), name="api-results-csv"
    ),
    path(
        "results.coco.json",
        download_views.ResultsView.as_view(format_name="coco.json"),
        name="api-results-coco",
    ),
    path("exports/", download_views.ExportsView.as_view(), name="api-exports"),
    path("exports/<uuid:export_id>/", download_views.ExportView.as_view(), name="api-export"),
    path(
        "exports/<uuid:export_id>/file/",
        download_views.ExportFileView.as_view(),
        name="api-export-file",
    ),
]

app_name = "detect_video"
urlpatterns = [
    path("detect-video/", pages.stage_page, name="stage"),
    path("detect-video/<uuid:video_id>/", pages.stage_page, name="video"),
    path("api/videos/", views.VideosView.as_view(), name="api"),
    path("api/videos/avi/", conversion.AviView.as_view(), name="api-avi"),
    path("api/videos/<uuid:video_id>/", include(one_video)),
]
