"""Who may ask, what, how much and how often."""

import pytest

from pnr_jax.studio import create_app
from pnr_jax.studio.guard import Guard

JSON = {"Content-Type": "application/json"}


def sentence(response, status):
    assert response.status_code == status, response.text
    return response.json()["error"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost:9000", "LOCALHOST"]
)
def test_the_loopback_has_three_names_and_any_port(client, host):
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("/api/studio", headers=headers).status_code == 200
    assert client.post("/api/people", json={}, headers=headers).status_code == 400


def test_a_page_at_another_port_may_not_post(client):
    headers = {"Host": "localhost:8000", "Origin": "http://localhost:9000"}
    assert "own page" in sentence(client.post("/api/people", json={}, headers=headers), 403)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8000",
        "localhost.evil.example:8000",
        "127.0.0.1:8000.evil.example",
        "192.168.0.7:8000",
        "192.168.0.7",
        "",
    ],
)
def test_another_host_is_refused(client, host):
    assert "127.0.0.1:8000" in sentence(client.get("/api/studio", headers={"Host": host}), 421)
    assert sentence(client.get("/", headers={"Host": host}), 421)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9000", "https://127.0.0.1:8000", ""]
)
def test_another_origin_may_not_post(client, origin):
    response = client.post("/api/people", json={}, headers={"Origin": origin})
    assert "own page" in sentence(response, 403)


def test_a_missing_origin_may_not_post(client):
    del client.headers["Origin"]
    assert "own page" in sentence(client.post("/api/people", json={}), 403)
    assert client.get("/api/studio").status_code == 200


def test_an_address_is_ours_where_the_network_may_ask_and_a_foreign_name_never():
    guard = Guard(app=None, host="0.0.0.0", port=8000, limits={})
    assert guard._is_ours("192.168.0.7", "8000")
    assert not guard._is_ours("192.168.0.7", "80")
    assert not guard._is_ours("evil.example", "8000")
    named = Guard(app=None, host="studio.lan", port=8000, limits={})
    assert named._is_ours("studio.lan", "8000")
    assert not named._is_ours("other.lan", "8000")


def test_a_host_that_was_allowed_may_ask_through_any_port_and_by_tls(models, gallery):
    from starlette.testclient import TestClient

    app = create_app(models, gallery, host="0.0.0.0", allowed=["Studio.example"])
    client = TestClient(app)
    for host, scheme in (("studio.example:9000", "http"), ("studio.example", "https")):
        headers = {"Host": host, "Origin": f"{scheme}://{host}"}
        assert client.post("/api/people", json={}, headers=headers).status_code == 400
    refused = client.get("/", headers={"Host": "evil.example"})
    assert "'evil.example'; whoever started it can allow that name" in sentence(refused, 421)


def test_every_answer_has_its_headers(client):
    for response in (client.get("/"), client.get("/none"), client.get("/", headers={"Host": "a"})):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/people", "text/plain"), ("/api/photos", "text/html"), ("/api/photos", "image/svg+xml")],
)
def test_another_content_type_is_refused(client, path, kind):
    response = client.post(path, content=b"{}", headers={"Content-Type": kind})
    assert "The content type must be" in sentence(response, 415)


def test_methods_are_checked(client):
    assert "cannot be asked" in sentence(client.get("/api/people"), 405)
    assert "cannot be asked" in sentence(client.put("/api/people", json={}), 405)


def test_a_body_that_is_too_long_is_refused(client):
    def chunks():
        for _ in range(60):  # Without a Content-Length.
            yield b" " * 10_000

    for body in (b" " * 500_001, chunks()):
        response = client.post("/api/people", content=body, headers=JSON)
        assert "larger than 500,000 bytes" in sentence(response, 413)
    kind = {"Content-Type": "image/png"}
    response = client.post("/api/photos", content=b" " * 20_000_001, headers=kind)
    assert "larger than 20,000,000 bytes" in sentence(response, 413)


def test_the_rate_of_requests_is_limited(client, clock, photo_file):
    def post():
        return client.post("/api/photos", content=photo_file, headers={"Content-Type": "image/png"})

    for _ in range(20):
        assert post().status_code == 201
    assert "Too many requests" in sentence(post(), 429)
    assert client.get("/api/studio").status_code == 200
    clock.now += 0.5  # Four a second.
    assert [post().status_code for _ in range(3)] == [201, 201, 429]
