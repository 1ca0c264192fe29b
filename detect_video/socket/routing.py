from django.urls import path

from detect_video.socket.consumer import VideoConsumer

websocket_urlpatterns = [path("ws/videos/<uuid:video_id>/", VideoConsumer.as_asgi())]
