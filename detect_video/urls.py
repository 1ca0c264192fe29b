from django.urls import include, path

from detect_video import pages
from detect_video.api import conversion, downloads, tracks, uploads, videos

one_video = [
    path("", videos.VideoView.as_view(), name="api-video"),
    path("upload/", uploads.UploadView.as_view(), name="api-upload"),
    path("file/", downloads.FileView.as_view(), name="api-file"),
    path("poster/", downloads.PosterView.as_view(), name="api-poster"),
    path("cancel/", videos.CancelView.as_view(), name="api-cancel"),
    path("retry/", videos.RetryView.as_view(), name="api-retry"),
    path("detect-again/", videos.DetectAgainView.as_view(), name="api-detect-again"),
    path(
        "results.jsonl",
        downloads.ResultsView.as_view(format_name="jsonl"),
        name="api-results-jsonl",
    ),
    path("results.csv", downloads.ResultsView.as_view(format_name="csv"), name="api-results-csv"),
    path(
        "results.coco.json",
        downloads.ResultsView.as_view(format_name="coco.json"),
        name="api-results-coco",
    ),
    path("tracks/", tracks.TracksView.as_view(), name="api-tracks"),
    path("counts/", tracks.CountsView.as_view(), name="api-counts"),
    path("counts.csv", tracks.CountsFileView.as_view(format_name="csv"), name="api-counts-csv"),
    path("counts.json", tracks.CountsFileView.as_view(format_name="json"), name="api-counts-json"),
    path("regions/", tracks.RegionsView.as_view(), name="api-regions"),
    path("renderings/", downloads.RenderingsView.as_view(), name="api-renderings"),
    path(
        "renderings/<uuid:rendering_id>/", downloads.RenderingView.as_view(), name="api-rendering"
    ),
    path(
        "renderings/<uuid:rendering_id>/file/",
        downloads.RenderingFileView.as_view(),
        name="api-rendering-file",
    ),
]

app_name = "detect_video"
urlpatterns = [
    path("detect-video/", pages.stage_page, name="stage"),
    path("detect-video/<uuid:video_id>/", pages.stage_page, name="video"),
    path("api/videos/", videos.VideosView.as_view(), name="api"),
    path("api/videos/avi/", conversion.AviView.as_view(), name="api-avi"),
    path("api/videos/<uuid:video_id>/", include(one_video)),
]
