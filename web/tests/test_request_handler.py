import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from web.request_handler import RequestHandler

language: ContextVar[str] = ContextVar("language")
events: list[str] = []


def name_of_thread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{threading.current_thread().name} {language.get('none')}")


def count_up(request: HttpRequest) -> StreamingHttpResponse:
    async def numbers() -> AsyncIterator[str]:
        try:
            for number in range(int(request.GET["to"])):
                yield f"{number} "
                await asyncio.sleep(0.01)
        finally:
            events.append("iterator ended")

    response = StreamingHttpResponse(numbers())
    response._resource_closers.append(lambda: events.append("response closed"))
    return response


def count_users(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([str(get_user_model().objects.count())])


def fail(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


def handler500(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=500)


urlpatterns = [
    path("thread/", name_of_thread),
    path("count/", count_up),
    path("users/", count_users),
    path("fail/", fail),
]


@pytest.fixture
def handler(settings) -> RequestHandler:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    events.clear()
    return RequestHandler()


def asked(application: Any, url: str) -> ApplicationCommunicator:
    location, _, query = url.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": location,
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
    }
    return ApplicationCommunicator(application, scope)


async def answer_to(application: Any, url: str) -> tuple[int, bytes]:
    request = asked(application, url)
    await request.send_input({"type": "http.request"})
    status = (await request.receive_output())["status"]
    body, has_more = b"", True
    while has_more:
        message = await request.receive_output()
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    await request.wait()
    return status, body


async def test_requests_one_after_the_other_share_threads(handler) -> None:
    answers = [await answer_to(handler, "/thread/") for _ in range(20)]

    # A thread that has just answered may not be idle yet.
    assert len(set(answers)) < 10


async def test_a_request_has_the_context_of_its_own_task_only(handler) -> None:
    async def in_chinese(*arguments: Any) -> None:
        language.set("zh")
        await handler(*arguments)

    answers = [await answer_to(application, "/thread/") for application in (in_chinese, handler)]

    assert [content.split()[1] for _, content in answers] == [b"zh", b"none"]


async def test_an_unexpected_error_is_answered_with_status_500(handler) -> None:
    status, _ = await answer_to(handler, "/fail/")

    assert status == 500


async def test_a_stream_is_sent_whole_and_closed(handler) -> None:
    answer = await answer_to(handler, "/count/?to=3")

    assert answer == (200, b"0 1 2 ")
    assert events == ["iterator ended", "response closed"]


async def test_a_stream_ends_when_the_client_disconnects(handler) -> None:
    request = asked(handler, "/count/?to=1000000")
    await request.send_input({"type": "http.request"})
    await request.receive_output()
    await request.receive_output()

    await request.send_input({"type": "http.disconnect"})
    await request.wait()

    assert events == ["iterator ended", "response closed"]


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
@pytest.mark.django_db(transaction=True)
async def test_no_thread_keeps_the_connection_to_the_database_of_a_stream(handler) -> None:
    status, _ = await answer_to(handler, "/users/")
    threads = handler._threads
    is_open = [
        threads.submit(lambda: connection.connection is not None).result() for _ in threads._threads
    ]

    assert status == 200
    assert is_open == [False]


async def test_a_client_that_disconnects_while_it_sends_is_not_answered(handler) -> None:
    request = asked(handler, "/thread/")

    await request.send_input({"type": "http.request", "body": b"x", "more_body": True})
    await request.send_input({"type": "http.disconnect"})
    await request.wait()

    assert request.output_queue.empty()
