"""The owner of the videos in tests of the API, signed in."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client


@pytest.fixture
def owner():
    return get_user_model().objects.create_user("owner")


@pytest.fixture
def client(owner) -> Client:
    client = Client()
    client.force_login(owner)
    return client
