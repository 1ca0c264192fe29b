from django.urls import path

from detect_camera.consumers import CameraConsumer

websocket_urlpatterns = [path("ws/camera/", CameraConsumer.as_asgi())]
