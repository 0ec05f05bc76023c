"""Every endpoint: what it gives, and one sentence for what it refuses."""

import io

import numpy as np
import pytest
from PIL import Image

from pnr_jax.keypoints import JOINTS
from pnr_jax.studio import create_app

POSE = [[10 + i % 3, 8 + i] for i in range(18)]


def source(photo="0001_v000", **fields):
    return {"photo": photo, "keypoints": POSE} | fields


def refused(response, status, *parts):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    sentence = response.json()["error"]
    assert sentence.endswith(".") and "\n" not in sentence
    assert all(part in sentence for part in parts), sentence


@pytest.fixture
def views(client):
    """Keys of the first built-in person's photos."""
    return [view["photo"] for view in client.get("/api/studio").json()["people"][0]]


@pytest.fixture
def person(client, views):
    return client.post("/api/people", json={"sources": [source(views[0])]}).json()["person"]


def picture(client, person, models=("LAD",), pose=POSE):
    body = {"person": person, "models": list(models), "keypoints": pose}
    response = client.post("/api/pictures", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(response.content)))


def test_the_page_and_its_files_are_there(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert 'src="main.js"' in page.text
    for name, kind in (("main.js", "text/javascript"), ("style.css", "text/css")):
        response = client.get(f"/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
    # Nothing is loaded from elsewhere.
    for name in ("", "main.js", "style.css", "api.js", "stage.js", "person.js", "files.js"):
        text = client.get(f"/{name}").text
        for foreign in ("https://", "//cdn", "@import", "eval("):
            assert foreign not in text, name


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/app.py", "/static/main.js"])
def test_no_path_reaches_the_disk(client, path):
    refused(client.get(path), 404, "nothing here")


def test_it_says_what_there_is(client):
    studio = client.get("/api/studio").json()
    assert studio["image_size"] == [32, 32]
    assert studio["joints"] == list(JOINTS)
    assert [model["name"] for model in studio["models"]] == ["LAD", "LSE"]
    assert len(studio["people"]) == 2
    assert all(1 <= len(views) <= 5 for views in studio["people"])
    assert {"Stand", "Walk right"} <= set(studio["poses"])
    assert all(len(poses) >= 2 for poses in studio["motions"].values())


def test_a_built_in_photo_can_be_seen(client, views):
    response = client.get(f"/api/photos/{views[0]}")
    assert response.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(response.content)).size == (128, 128)


def test_a_photo_comes_in_and_can_be_seen(client, photo_file):
    response = client.post("/api/photos", content=photo_file, headers={"Content-Type": "image/png"})
    assert response.status_code == 201
    answer = response.json()
    assert answer["keypoints"] is None
    view = client.get(f"/api/photos/{answer['photo']}")
    # The middle, twice as high as wide, as wide as the model's images are.
    assert Image.open(io.BytesIO(view.content)).size == (60, 60)
    assert client.post("/api/people", json={"sources": [source(answer["photo"])]}).is_success


def test_a_person_is_drawn_in_the_poses_asked_for(client, person):
    image = picture(client, person)
    assert image.shape == (32, 32, 3)
    moved = [[y, x + 6] for y, x in POSE]
    assert np.abs(picture(client, person, pose=moved) - image.astype(float)).mean() > 0.5
    np.testing.assert_array_equal(picture(client, person), image)


def test_a_fraction_of_a_pixel_counts(client, person):
    between = [[y, x + 0.5] for y, x in POSE]
    assert (picture(client, person, pose=between) != picture(client, person)).any()


def test_models_stand_side_by_side(client, person):
    both = picture(client, person, ("LSE", "LAD"))
    assert both.shape == (32, 64, 3)
    np.testing.assert_array_equal(both[:, :32], picture(client, person, ("LSE",)))
    np.testing.assert_array_equal(both[:, 32:], picture(client, person, ("LAD",)))
    assert (both[:, :32] != both[:, 32:]).any()


def test_sources_hidden_and_painted_regions_change_the_person(client, views):
    def drawn(*sources):
        answer = client.post("/api/people", json={"sources": list(sources)})
        assert answer.status_code == 201, answer.text
        return picture(client, answer.json()["person"]).astype(float)

    plain = drawn(source(views[0]))
    others = [
        drawn(source(views[0]), source(views[1])),
        drawn(source(views[0], hidden=list(range(32)))),
        drawn(source(views[0], painted=list(range(24, 40)))),
    ]
    for other in others:
        assert np.abs(other - plain).mean() > 0.1
    np.testing.assert_array_equal(drawn(source(views[0], hidden=[], painted=[])), plain)


def test_people_are_mixed_by_their_shares(client, views, person):
    def mixed(share):
        answer = client.post("/api/mixes", json={"people": [person, other], "share": share})
        assert answer.status_code == 201, answer.text
        return picture(client, answer.json()["person"], ("LAD", "LSE")).astype(float)

    answer = client.post("/api/people", json={"sources": [source(views[1])]})
    other = answer.json()["person"]
    both = [picture(client, key, ("LAD", "LSE")).astype(float) for key in (person, other)]
    assert np.abs(both[0] - both[1]).mean() > 0.1
    assert np.abs(mixed(0) - both[0]).max() <= 1
    assert np.abs(mixed(1) - both[1]).max() <= 1
    assert all(np.abs(mixed(0.5) - one).mean() > 0.05 for one in both)


def test_a_mixture_has_two_people_and_a_share(client, person):
    for people in ([person], [person] * 3, [person, 1], "ab"):
        body = {"people": people, "share": 0.5}
        refused(client.post("/api/mixes", json=body), 400, "'people'")
    for share in (-0.1, 1.1, "1", None, True):
        body = {"people": [person] * 2, "share": share}
        refused(client.post("/api/mixes", json=body), 400, "from 0 to 1")
    body = {"people": [person, "none"], "share": 0.5}
    refused(client.post("/api/mixes", json=body), 404, "no longer keeps this person")


def test_an_animation_is_a_gif_of_all_its_poses(client, person):
    poses = [[[y, x + step] for y, x in POSE] for step in range(4)]
    body = {"person": person, "models": ["LAD", "LSE"], "poses": poses, "milliseconds": 80}
    response = client.post("/api/animations", json=body)
    assert response.headers["content-type"] == "image/gif"
    gif = Image.open(io.BytesIO(response.content))
    assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (4, 80, 0)
    assert gif.size == (2 * 256 + 8, 256)


BAD_POSES = [
    ({"keypoints": [[-1, -1]] * 18}, "No joint of this pose is visible"),
    ({"keypoints": POSE[:17]}, "A pose has 18 joints in the order coco18, this one 17"),
    ({"keypoints": POSE, "order": "body25"}, 'The joint order "body25" is unknown', "nose, neck"),
    ({"keypoints": [*POSE[:4], [32, 3], *POSE[5:]]}, "right wrist at y = 32, x = 3 lies outside"),
    ({"keypoints": [*POSE[:17], ["a", 3]]}, "left ear must be two numbers"),
    ({"keypoints": [*POSE[:17], [True, 3]]}, "left ear must be two numbers"),
    ({"keypoints": [*POSE[:17], [10**400, 3]]}, "left ear must be two numbers"),
    ({"keypoints": [*POSE[:17], [3]]}, "left ear must be two numbers"),
    ({"keypoints": "nose"}, "'keypoints' is missing or not a list"),
    ({}, "'keypoints' is missing"),
]


@pytest.mark.parametrize("case", BAD_POSES, ids=lambda case: case[1][:30])
def test_a_bad_pose_is_one_sentence(client, person, views, case):
    fields, *parts = case
    body = {"person": person, "models": ["LAD"], **fields}
    refused(client.post("/api/pictures", json=body), 400, *parts)
    body = {"sources": [{"photo": views[0], **fields}]}
    refused(client.post("/api/people", json=body), 400, *parts)


def test_numbers_that_are_none_are_refused(client, person):
    body = f'{{"person": "{person}", "models": ["LAD"], "keypoints": [[NaN, 1]]}}'
    headers = {"Content-Type": "application/json"}
    body = body.replace("[[NaN, 1]]", str([["NaN", 1]] * 18).replace("'NaN'", "NaN"))
    refused(client.post("/api/pictures", content=body, headers=headers), 400, "two numbers")


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"sources": []}, "1 to 5 photos, not 0"),
        ({"sources": [source()] * 6}, "1 to 5 photos, not 6"),
        ({"sources": ["photo"]}, "A source must be a JSON object"),
        ({"sources": [source(hidden=[64])]}, "from 0 to 63"),
        ({"sources": [source(hidden=[1.5])]}, "from 0 to 63"),
        ({"sources": [source(painted={})]}, "from 0 to 63"),
        ({"sources": [source(hidden=list(range(64)))]}, "Every region is hidden"),
        ({"sources": [source(photo=3)]}, "'photo' is missing or not a str"),
        ({}, "'sources' is missing"),
    ],
)
def test_bad_sources_are_one_sentence(client, fields, part):
    refused(client.post("/api/people", json=fields), 400, part)


def test_an_unknown_photo_person_or_model_is_named(client, person):
    response = client.post("/api/people", json={"sources": [source("../../etc/passwd")]})
    refused(response, 404, "no longer keeps this photo")
    refused(client.get("/api/photos/none"), 404, "no longer keeps this photo")
    body = {"person": "none", "models": ["LAD"], "keypoints": POSE}
    refused(client.post("/api/pictures", json=body), 404, "no longer keeps this person")
    for names in ([], ["LAX"], [["LAD"]], ["LAD"] * 3):
        body = {"person": person, "models": names, "keypoints": POSE}
        refused(client.post("/api/pictures", json=body), 400, "some of LAD, LSE")


def test_an_animation_has_bounds(client, person):
    body = {"person": person, "models": ["LAD"], "poses": [POSE] * 2, "milliseconds": 80}
    url = "/api/animations"
    refused(client.post(url, json=body | {"poses": [POSE] * 121}), 400, "2 to 120 pictures")
    refused(client.post(url, json=body | {"poses": [POSE]}), 400, "this one 1")
    refused(client.post(url, json=body | {"milliseconds": 5}), 400, "20 to 2000")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(client, body):
    headers = {"Content-Type": "application/json"}
    refused(client.post("/api/people", content=body, headers=headers), 400, "JSON")


def test_the_oldest_people_are_forgotten(client, clock, views):
    def add():
        return client.post("/api/people", json={"sources": [source(views[0])]}).json()["person"]

    first, second = add(), add()
    picture(client, first)  # Used again: the second is the older one now.
    for _ in range(99):
        clock.now += 1
        add()
    assert picture(client, first).any()
    body = {"person": second, "models": ["LAD"], "keypoints": POSE}
    refused(client.post("/api/pictures", json=body), 404, "no longer keeps this person")


def test_what_fails_inside_is_a_sentence_too(models, gallery, views, photo_file):
    from starlette.testclient import TestClient

    class Broken:
        def detect(self, images):
            raise RuntimeError("a secret")

    app = create_app(models, gallery, Broken())
    base = "http://127.0.0.1:8000"
    client = TestClient(app, base, headers={"Origin": base}, raise_server_exceptions=False)
    response = client.post("/api/photos", content=photo_file, headers={"Content-Type": "image/png"})
    refused(response, 500, "The studio failed at this")
    assert "secret" not in response.text
