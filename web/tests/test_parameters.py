"""Parameters of requests: unknown and wrong ones are named, with what was received."""

import json

import pytest

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]
URL = "/api/detect/image/"


def refusal(client, url: str = URL, **body: object) -> dict:
    response = client.post(url, {"gallery": "street.jpg", **body})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_parameters"
    return response.json()


def test_an_unknown_parameter_is_an_error_that_lists_the_known_ones(client):
    in_query, in_form = refusal(client, f"{URL}?modle=toy"), refusal(client, modle="toy")

    assert in_query == in_form
    assert in_query["detail"].startswith("modle: Unknown parameter. Known parameters: gallery, ")
    assert "return" in in_query["detail"]


@pytest.mark.parametrize("name", ["format", "csrfmiddlewaretoken", "_"])
def test_parameters_for_other_purposes_are_accepted(client, name):
    response = client.post(URL, {"gallery": "street.jpg", name: "json"})

    assert response.status_code == 200


def test_a_file_in_another_field_names_the_expected_one(client):
    with open("static/samples/street.jpg", "rb") as file:
        problem = client.post("/api/classify/", {"file": file}).json()

    assert problem["detail"].startswith("image: No file was submitted. file: Unknown parameter.")


def test_all_wrong_parameters_are_named_with_what_was_received(client):
    problem = refusal(client, score_threshold="abc", original_width="-1", **{"return": "foo"})

    assert "score_threshold: Expected a number from 0 to 1, received 'abc'." in problem["detail"]
    assert "return: Expected one of json, base64, url, received 'foo'." in problem["detail"]
    width = "original_width: Expected a whole number from 1 to 100,000, received '-1'."
    assert width in problem["detail"]


def test_names_that_cannot_be_encoded_are_no_server_error(client):
    body = '{"gallery": "street.jpg", "\\ud800": 1, "return": "\\ud800"}'

    response = client.post(URL, body, content_type="application/json")

    assert response.status_code == 422
    assert set(json.loads(response.content)["errors"]) == {"?", "return"}


def test_a_wrong_method_is_answered_with_the_allowed_ones(client):
    problem = client.get(URL).json()

    assert problem["detail"] == 'Method "GET" not allowed. Allowed methods: POST, OPTIONS.'


@pytest.mark.parametrize("value", ["\ud800", "9" * 400])
def test_a_threshold_that_no_text_can_show_is_a_wrong_one(client, value):
    body = json.dumps({"gallery": "street.jpg", "score_threshold": value})

    response = client.post(URL, body, content_type="application/json")

    assert response.status_code == 422
    assert "Expected a number from 0 to 1" in response.json()["detail"]
