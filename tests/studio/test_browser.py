"""The studio as its users have it: the program started, the page in a real browser."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pnr_jax import config as config_lib
from pnr_jax.checkpoints import export_model
from tests.studio.helpers import encoded, small_config, variables

# One worker runs them all, so that the program is started once.
pytestmark = pytest.mark.xdist_group("studio")

ROOT = Path(__file__).parents[2]
NOBODY = json.dumps({"order": "coco18", "keypoints": [[-1, -1]] * 18})
WAIT = 20_000  # Milliseconds; a busy machine is slow.
DROP = """([files]) => {
  const transfer = new DataTransfer();
  for (const [name, type, bytes] of files)
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
  dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, cancelable: true}));
}"""


def launch(*flags):
    return subprocess.Popen(
        [sys.executable, ROOT / "launch" / "studio.py", *map(str, flags)],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def serving(workdir):
    """The address of the program that serves a model, which ends well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = launch(f"--workdir={workdir}", f"--port={port}")
    address = f"http://127.0.0.1:{port}"
    assert process.stdout.readline() == "compiling ...\n", process.stderr.read()
    assert address in process.stdout.readline()
    yield address
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The address of the program that serves a small untrained model."""
    workdir = tmp_path_factory.mktemp("run")
    config_lib.write_config(small_config(1.0), workdir)
    export_model(workdir, variables())
    with serving(workdir) as address:
        yield address


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, program):
    port = program.rpartition(":")[2]
    taken = f"cannot listen at --host=127.0.0.1 --port={port}"
    for flag, message in ((f"--port={port}", taken), ("--port=0", "--port=0")):
        process = launch(f"--workdir={tmp_path}", flag)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("error: ") and message in err


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(program, browser):
    """A function that opens the page and checks at the end that nothing went wrong in it."""
    opened, trouble = [], []

    def open_it(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("requestfailed", lambda request: trouble.append(request.url))
        page.goto(program)
        page.wait_for_selector("html[data-ready]")
        page.wait_for_function("() => document.getElementById('meter').textContent !== ''")
        return page

    yield open_it
    for context in opened:
        context.close()
    assert not trouble


@pytest.fixture
def page(open_page):
    return open_page()


def picture(page):
    """The picture, once nothing is under way."""
    page.wait_for_timeout(50)
    page.wait_for_function("() => !document.querySelector('#panes[aria-busy], #source[aria-busy]')")
    return page.eval_on_selector("#panes canvas", "canvas => canvas.toDataURL()")


def differs(page, before):
    """Waits for a picture other than `before`."""
    page.wait_for_function(
        "before => document.querySelector('#panes canvas').toDataURL() !== before", arg=before
    )


def changed(page, before):
    """The picture after `before`, once nothing is under way."""
    differs(page, before)
    return picture(page)


def joint(page, name, panel="#panes"):
    return page.locator(f'{panel} g.joint[aria-label^="{name},"]').first


def centre(locator):
    box = locator.locator(".dot").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, locator, across, down):
    x, y = centre(locator)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across / 2, y + down / 2)
    page.mouse.move(x + across, y + down)
    page.mouse.up()


def photo(seed, name="me.png"):
    image = np.random.default_rng(seed).integers(0, 256, (60, 40, 3)).astype(np.uint8)
    return [name, "image/png", list(encoded(image))]


def test_dragging_a_joint_draws_another_picture_and_undo_the_old_one(page):
    before = picture(page)
    wrist, elbow = (centre(joint(page, f"right {name}")) for name in ("wrist", "elbow"))
    drag(page, joint(page, "right elbow"), -60, -40)
    after = changed(page, before)
    moved = centre(joint(page, "right elbow"))
    assert np.allclose(np.subtract(moved, elbow), (-60, -40), atol=1)
    # The forearm came along.
    assert np.allclose(np.subtract(centre(joint(page, "right wrist")), wrist), (-60, -40), atol=1)
    page.keyboard.press("Control+z")
    assert changed(page, after) == before
    page.get_by_role("button", name="Redo").click()
    assert changed(page, before) == after
    assert page.evaluate("performance.getEntriesByName('to picture').length") > 0


def test_shift_moves_one_joint_alone(page):
    wrist = centre(joint(page, "right wrist"))
    page.keyboard.down("Shift")
    drag(page, joint(page, "right elbow"), -60, -40)
    assert np.allclose(centre(joint(page, "right wrist")), wrist, atol=1)


def test_dropped_photos_become_the_person(page):
    before = picture(page)
    page.evaluate(DROP, [[photo(0)]])
    page.wait_for_function("() => document.querySelectorAll('#views li').length === 1")
    assert changed(page, before)
    assert "me.png: Drag the skeleton onto the person." in page.locator("#toasts").inner_text()
    one = picture(page)
    drag(page, joint(page, "left knee", "#source"), 40, 0)
    two = changed(page, one)
    page.evaluate(DROP, [[photo(seed, f"{seed}.png") for seed in range(1, 6)]])
    page.wait_for_function("() => document.querySelectorAll('#views li').length === 5")
    assert "A person takes 1 to 5 photos: 1 left out." in page.locator("#toasts").inner_text()
    changed(page, two)
    page.get_by_role("button", name="Remove photo").click()
    page.wait_for_function("() => document.querySelectorAll('#views li').length === 4")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (("me.jpg", "image/jpeg", b"dear diary"), "me.jpg: This file is not a readable photo"),
        (("a.gif", "image/gif", b"GIF89a"), "a.gif: The content type must be"),
        (("p.json", "", b'{"order": "body25"}'), "The joint order “body25” is unknown"),
        (("p.json", "", NOBODY.encode()), "No joint of this pose is visible"),
    ],
    ids=["text", "gif", "order", "nobody"],
)
def test_a_bad_file_is_a_sentence_on_the_page(page, file, sentence):
    views = page.locator("#views li").count()
    name, kind, data = file
    page.evaluate(DROP, [[[name, kind, list(data)]]])
    page.wait_for_selector("#toasts .error")
    assert sentence in page.locator("#toasts").inner_text()
    assert page.locator("#views li").count() == views


def test_sources_regions_and_models_change_the_picture(page):
    picture_now = picture(page)
    page.get_by_label("Use View 2").check()
    picture_now = changed(page, picture_now)
    page.get_by_role("radio", name="Hide").check()
    drag_box(page, (0.2, 0.2), (0.7, 0.6))
    picture_now = changed(page, picture_now)
    page.get_by_role("button", name="Clear boxes").click()
    picture_now = changed(page, picture_now)
    page.get_by_role("radio", name="Spoil").check()
    drag_box(page, (0.2, 0.2), (0.7, 0.6))
    picture_now = changed(page, picture_now)
    page.get_by_role("radio", name="Compare").check()
    assert page.locator("#panes figure:visible").count() == 2
    page.get_by_role("radio", name="LSE").check()
    assert page.locator("#panes figure:visible strong").inner_text() == "LSE"


def drag_box(page, corner, other):
    box = page.locator("#source-skeleton").bounding_box()

    def move(share):
        x, y = box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]
        page.mouse.move(x, y, steps=3)

    move(corner)
    page.mouse.down()
    move(other)
    page.mouse.up()


def test_the_bundled_model_draws_where_nothing_was_trained(browser):
    with serving("people") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(6 * WAIT)  # Its programs are compiled first.
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.wait_for_function("() => document.getElementById('meter').textContent !== ''")
        before = picture(page)
        joint(page, "right wrist").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert changed(page, before) != before
        page.close()


def test_keys_move_hide_and_restore_a_joint(page):
    page.get_by_role("button", name="Stand").click()
    page.wait_for_timeout(500)
    before = picture(page)
    joint(page, "neck").focus()
    page.keyboard.press("Tab")
    shoulder = joint(page, "right shoulder")
    assert shoulder.evaluate("joint => joint === document.activeElement")
    x, _ = centre(shoulder)
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    after = changed(page, before)
    assert centre(shoulder)[0] < x - 10
    page.keyboard.press("Delete")
    changed(page, after)
    assert not shoulder.is_visible()
    page.get_by_role("button", name="+ right shoulder").click()
    assert shoulder.is_visible()


def test_regions_are_painted_by_keys_too(page):
    before = picture(page)
    page.get_by_role("radio", name="Hide").check()
    page.keyboard.press("Shift+Tab")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    changed(page, before)
    assert page.locator(".regions .hidden").count() == 1


def test_a_motion_plays_and_is_taken_home(page, tmp_path):
    page.get_by_role("radio", name="Wave").check()
    before = picture(page)
    page.get_by_role("button", name="Play").click()
    differs(page, before)
    page.get_by_role("button", name="Pause").click()
    for name, suffix, start in (
        ("GIF", ".gif", b"GIF89a"),
        ("Picture", ".png", b"\x89PNG"),
        ("Sheet", ".png", b"\x89PNG"),
        ("Pose", ".json", b'{"order":"coco18"'),
    ):
        with page.expect_download(timeout=WAIT) as download:
            page.get_by_role("button", name=name, exact=True).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.suffix == suffix
        assert path.read_bytes().startswith(start)


def test_a_finger_drags_on_a_phone_and_nothing_overflows(open_page):
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    before = picture(page)
    x, y = centre(joint(page, "left wrist"))
    session = page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x + 20, "y": y - 30}]),
        ("touchMove", [{"x": x + 30, "y": y - 60}]),
        ("touchEnd", []),
    ):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    changed(page, before)
    assert np.allclose(np.subtract(centre(joint(page, "left wrist")), (x, y)), (30, -60), atol=2)
    assert page.evaluate("scrollY") == 0


def test_a_person_that_the_server_forgot_is_solved_for_again(page):
    lost = {"status": 404, "body": '{"error": "Gone."}', "content_type": "application/json"}
    before = picture(page)
    # The route begins inside: a picture still on its way may be the one that is refused.
    with page.expect_request("**/api/people"):
        page.route("**/api/pictures", lambda route: route.fulfill(**lost), times=1)
        drag(page, joint(page, "right wrist"), -40, -40)
    changed(page, before)
    assert page.locator("#toasts p").count() == 0


def test_two_people_are_mixed_until_it_is_stopped(page):
    first = picture(page)
    page.click("#keep-person")
    faces = page.locator("#people .face")
    faces.nth(1).click()
    half = changed(page, first)
    assert page.locator("#share-shown").inner_text() == "50%"
    page.locator("#share").fill("1")
    assert changed(page, half) == first
    page.locator("#share").fill("0")
    second = changed(page, first)
    lost = {"status": 404, "body": '{"error": "Gone."}', "content_type": "application/json"}
    with page.expect_request("**/api/people"):
        page.route("**/api/mixes", lambda route: route.fulfill(**lost), times=1)
        page.locator("#share").fill("0.5")
    assert changed(page, second) == half
    page.click("#unmix")
    assert changed(page, half) == second
    assert page.locator("#toasts .error").count() == 0


SKELETON = """async () => {
  const s = await import("/skeleton.js");
  const d = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const pose = new Array(18).fill(null);
  pose[1] = [10, 10]; pose[2] = [10, 6]; pose[3] = [16, 6]; pose[4] = [20, 4];
  const bent = s.drag(pose, 4, [13, 3]);
  const far = s.drag(pose, 4, [40, 6]);
  const fallen = pose.map((joint) => joint && [...joint]);
  fallen[3] = [10, 0];
  fallen[4] = [6, -2];
  const half = s.between(pose, fallen, 0.5);
  const mirrored = s.mirror(pose, 32);
  return {
    wrist: bent[4], shoulder: bent[2], upper: d(bent[2], bent[3]), lower: d(bent[3], bent[4]),
    lengths: [d(pose[2], pose[3]), d(pose[3], pose[4])],
    far: far[3], elbow: half[3], ends: [0, 1].map((t) => s.between(pose, fallen, t)[4]),
    mirrored: mirrored.map((joint) => joint && joint[1]),
    parsed: s.parsePose(
      JSON.stringify({image_size: [64, 64], keypoints: new Array(18).fill([20, 40])}), [32, 32])[3],
    wire: s.toWire(fallen, [32, 32]).slice(2, 5),
    moved: s.drag(pose, 1, [11, 12]).slice(1, 5),
  };
}"""


def test_limbs_follow_by_their_geometry(page):
    found = page.evaluate(SKELETON)
    # A wrist that comes nearer bends the elbow: both limbs keep their lengths.
    assert (found["wrist"], found["shoulder"]) == ([13, 3], [10, 6])
    assert np.allclose([found["upper"], found["lower"]], found["lengths"])
    # Out of reach, the limb is straight and stretched evenly.
    upper, lower = found["lengths"]
    assert np.allclose(found["far"], [10 + 30 * upper / (upper + lower), 6])
    # Half way the arm hangs at 45 degrees, as long as before.
    assert np.allclose(found["elbow"], [10 + 6 / 2**0.5, 6 - 6 / 2**0.5])
    assert np.allclose(found["ends"], [[20, 4], [6, -2]])
    assert found["mirrored"][:8] == [None, 21, None, None, None, 25, 25, 27]
    assert found["parsed"] == [9.75, 19.75]  # Pixels are areas.
    assert found["wire"] == [[10, 6], [10, 0], [-1, -1]]
    assert found["moved"] == [[11, 12], [11, 8], [17, 8], [21, 6]]


NEWEST = """async () => {
  const { newest } = await import("/api.js");
  const ran = [];
  const call = newest(async (n) => { ran.push(n); await new Promise((r) => setTimeout(r, 20)); });
  const first = call(1);
  call(2); call(3); call(4);
  await first;
  return ran;
}"""


def test_of_what_is_asked_while_a_request_runs_the_newest_alone_is_sent(page):
    assert page.evaluate(NEWEST) == [1, 4]
