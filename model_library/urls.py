from django.urls import path

from model_library import api, pages

app_name = "model_library"
urlpatterns = [
    path("models/", pages.models_page, name="models"),
    path("api/models/<str:name>/", api.ModelView.as_view(), name="model"),
    path("api/models/<str:name>/speed/", api.SpeedView.as_view(), name="speed"),
    path("api/models/<str:name>/description/", api.DescriptionView.as_view(), name="description"),
    path("api/models/<str:name>/install/", api.InstallView.as_view(), name="install"),
    path("api/model-jobs/", api.JobsView.as_view(), name="jobs"),
    path("api/model-jobs/<uuid:job_id>/", api.JobView.as_view(), name="job"),
    path(
        "api/model-jobs/<uuid:job_id>/files/<int:number>/", api.ChunksView.as_view(), name="chunks"
    ),
    path("api/model-jobs/<uuid:job_id>/start/", api.StartView.as_view(), name="start"),
    path("api/model-jobs/<uuid:job_id>/add/", api.AddView.as_view(), name="add"),
    path("api/model-jobs/<uuid:job_id>/sample.jpg", api.SampleView.as_view(), name="sample"),
]
