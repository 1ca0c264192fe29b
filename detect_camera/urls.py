from django.urls import path

from detect_camera import pages

app_name = "detect_camera"
urlpatterns = [path("detect-camera/", pages.camera_page, name="stage")]
