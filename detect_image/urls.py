from django.urls import path

from detect_image import views

app_name = "detect_image"
urlpatterns = [
    path("detect-image/", views.picture_page, name="picture"),
    path("api/detect/image/", views.DetectImageView.as_view(), name="api"),
]
