"""Request ids in response headers and log records."""

import json
import logging
import logging.config
import re

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from operation.request_ids import RequestIds, request_id


async def application(scope, receive, send) -> None:
    logging.getLogger("operation.test").info("inside %s", request_id.get())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b""})


async def header_for(*given: bytes) -> str:
    scope = {"type": "http", "headers": [(b"x-request-id", value) for value in given]}
    communicator = ApplicationCommunicator(RequestIds(application), scope)
    start = await communicator.receive_output()
    assert (b"a", b"b") in start["headers"]
    return dict(start["headers"])[b"x-request-id"].decode()


async def test_a_valid_id_of_the_client_is_used():
    assert await header_for(b"Proxy-1.a_b") == "Proxy-1.a_b"


@pytest.mark.parametrize("given", [b"", b"a b", b"a\nb", b"<script>", b"x" * 65, "ä".encode()])
async def test_an_invalid_id_is_replaced(given):
    assert re.fullmatch("[0-9a-f]{32}", await header_for(given))


async def test_without_an_id_each_request_gets_its_own():
    assert await header_for() != await header_for()


def formatted(kind: str) -> str:
    """A log record in one of the formats of ``LOG_FORMAT``."""
    configurator = logging.config.DictConfigurator(settings.LOGGING)
    formatter = configurator.configure_formatter(configurator.config["formatters"][kind])
    record = logging.makeLogRecord({"name": "a.b", "levelname": "INFO", "msg": "it %s", "args": 1})
    record_filter = configurator.configure_filter(configurator.config["filters"]["request_id"])
    assert record_filter.filter(record)
    return formatter.format(record)


def test_log_records_have_the_request_id():
    token = request_id.set("abc")
    try:
        line, json_line = formatted("line"), json.loads(formatted("json"))
    finally:
        request_id.reset(token)

    assert line.endswith("INFO a.b [abc]: it 1")
    assert json_line.pop("time")
    assert json_line == {
        "level": "INFO",
        "logger": "a.b",
        "request_id": "abc",
        "message": "it 1",
    }


def test_log_records_outside_of_requests_have_a_dash():
    assert formatted("line").endswith("[-]: it 1")
