from django.urls import path

from detect_camera import views

app_name = "detect_camera"
urlpatterns = [path("detect-camera/", views.camera_page, name="stage")]
