"""Every address of the site is requested with the ids of other owners' data."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.conftest import Server
from tests.hardening.client import Client

# Pages, which the OpenAPI schema does not list.
PAGES = [
    "/classify/pictures/{classified}/",
    "/classify/pictures/{classified}/?thumbnail",
    "/classify/pictures/{classified}/delete/",
    "/detect-image/pictures/{picture}/",
    "/detect-image/pictures/{picture}/delete/",
    "/detect-image/pictures/{picture}/original.png",
    "/detect-video/{video}/",
]
LISTS = ["/api/pictures/", "/api/classify/pictures/", "/api/videos/"]
LISTS += ["/detect-image/pictures/", "/classify/pictures/", "/detect-video/"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
# Valid ids that do not exist.
UNUSED_IDS = {
    "classified": "999999999",
    "picture": "00000000-0000-4000-8000-000000000001",
    "video": "00000000-0000-4000-8000-000000000002",
    "rendering": "00000000-0000-4000-8000-000000000003",
}


class Owner(Client):
    """Owns one row of each kind."""

    def fill(self, picture: bytes, clip: bytes) -> None:
        self.classify(picture).raise_for_status()
        detected = self.detect(picture, **{"return": "url"})
        video = self.send_video(clip)
        while (state := self.ask("GET", video["urls"]["self"]).json()["state"]) != "done":
            assert state in ("queued", "running"), state
        rendering = self.ask("POST", video["urls"]["renderings"], json={})
        classified = self.ask("GET", "/api/classify/pictures/").json()["results"]
        self.ids = {
            "classified": str(classified[0]["id"]),
            "picture": detected.json()["id"],
            "video": video["id"],
            "rendering": rendering.json()["id"],
        }
        drawn_path = detected.json()["drawn_url"]
        self.drawn = drawn_path.replace(self.ids["picture"], "{picture}")

    def stored_data(self) -> list[Any]:
        """The owner's data, without fields that change on their own."""
        video = self.ask("GET", f"/api/videos/{self.ids['video']}/").json()
        pictures = self.ask("GET", f"/api/pictures/{self.ids['picture']}/").json()
        classified = self.ask("GET", "/api/classify/pictures/").json()
        return [video["id"], video["state"], len(video["renderings"]), pictures, classified]


def described_addresses(server: Server) -> Iterator[str]:
    """Each path of the OpenAPI schema that contains the id of an owner's row."""
    schema = Client(server).ask("GET", "/api/schema/?format=json").json()
    for path in schema["paths"]:
        # The staff share the models and their jobs.
        if "{" not in path or path.startswith(("/api/models/", "/api/model-jobs/")):
            continue
        kind = "{classified}" if "/classify/" in path else "{picture}"
        names = {"id": kind, "pk": kind, "video_id": "{video}", "rendering_id": "{rendering}"}
        yield re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)  # noqa: B023


@pytest.fixture(scope="module")
def owners(own_server: Server, picture: bytes, clip: bytes) -> dict[str, Owner]:
    owners = {"visitor": Owner(own_server), "account": Owner(own_server)}
    owners["account"].sign_up("ann")
    for owner in owners.values():
        owner.fill(picture, clip)
    return owners


def test_nobody_can_see_change_or_delete_data_of_other_owners(
    own_server: Server, owners: dict[str, Owner]
) -> None:
    others = {"nobody": Client(own_server), "visitor": Client(own_server)}
    others["visitor"].ask("GET", "/classify/")
    others["account"] = Client(own_server)
    others["account"].sign_up("ben")
    requests_sent, leaks = 0, []
    for owner_name, owner in owners.items():
        before = owner.stored_data()
        addresses = [*described_addresses(own_server), *PAGES, owner.drawn]
        for other_name, other in [*others.items(), *without(owners, owner_name)]:
            for address in addresses:
                for method in METHODS:
                    # For all others, the response is that for a row that does not exist.
                    hidden = other.ask(method, address.format(**UNUSED_IDS), allow_redirects=False)
                    answer = other.ask(method, address.format(**owner.ids), allow_redirects=False)
                    requests_sent += 1
                    if answer.ok and answer.status_code != 302 or not is_alike(answer, hidden):
                        leaks.append((owner_name, other_name, method, address, answer.status_code))
            for address in LISTS:
                text = other.ask("GET", address).text
                requests_sent += 1
                mine = [owner.ids[kind] for kind in ("picture", "video", "rendering")]
                leaks += [(owner_name, other_name, address) for key in mine if key in text]
            requests_sent += 1
            if not is_socket_closed(other, f"/ws/videos/{owner.ids['video']}/"):
                leaks.append((owner_name, other_name, "socket"))
        assert owner.stored_data() == before
    assert leaks == []
    print(f"\n0 leaks in {requests_sent} requests")


def is_alike(answer: requests.Response, hidden: requests.Response) -> bool:
    if answer.status_code == 302:
        return answer.headers["Location"] == hidden.headers["Location"]
    return answer.status_code == hidden.status_code


def without(owners: dict[str, Owner], name: str) -> list[tuple[str, Client]]:
    return [(other, client) for other, client in owners.items() if other != name]


def is_socket_closed(client: Client, path: str) -> bool:
    """Whether the WebSocket is rejected as if the video did not exist."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.session.cookies.items())
    url = client.server.url
    try:
        with connect(
            url.replace("http", "ws") + path,
            origin=Origin(url),
            additional_headers={"Cookie": cookies},
        ) as websocket:
            return json.loads(websocket.recv(timeout=10))["status"] == 404
    except InvalidStatus:
        return True
