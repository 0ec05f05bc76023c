"""Google Cloud Storage on the loopback interface: as much of its JSON API as clients use here.

Objects are in memory; each write makes a new generation, and conditions on generations hold. With

    with object_store.serve() as store: ...

`store.environment` has the variables by which gcsfs, Orbax and tensorstore find it, and
`store.objects` what is in it.
"""

import contextlib
import itertools
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "pnr-test"
PLACE = re.compile("(/upload|/download)?/storage/v1/b/([^/]+)(/o)?(?:/(.*))?")
MOVE = re.compile("(.*)/moveTo/o/(.*)")


class Object(NamedTuple):
    data: bytes
    generation: int


class Refusal(Exception):
    """An answer other than 200."""


class Store(ThreadingHTTPServer):
    """The server; `refused` is a status that all writes get instead, `unread` that objects get."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, Object] = {}
        self.lock = threading.Lock()
        self.uploads: dict[str, tuple[str, dict[str, str], bytearray]] = {}
        self.numbers = itertools.count(1)
        self.refused: int | None = None
        self.unread: int | None = None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.environment = {
            "STORAGE_EMULATOR_HOST": self.url,
            "TENSORSTORE_GCS_HTTP_URL": self.url,
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",  # Nobody looks for credentials.
            "FSSPEC_GCS_TOKEN": "anon",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # By gRPC.
        }

    def handle_error(self, request, client_address):
        """Ignores clients that hang up: gcsfs asks two things and takes the first answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def names(self, prefix=""):
        return sorted(name for name in self.objects if name.startswith(prefix))

    def put(self, name, data, query):
        with self.lock:
            self.check(name, query)
            self.objects[name] = Object(bytes(data), next(self.numbers))
            return self.describe(name)

    def check(self, name, query):
        """Refuses what is conditional on another generation; 0 is that of an absent object."""
        there = self.objects[name].generation if name in self.objects else 0
        if query.get("ifGenerationMatch", str(there)) != str(there):
            raise Refusal(412)
        if query.get("ifGenerationNotMatch") == str(there):
            raise Refusal(304)

    def describe(self, name):
        if name not in self.objects:
            raise Refusal(404)
        data, generation = self.objects[name]
        return {
            "kind": "storage#object",
            "bucket": BUCKET,
            "name": name,
            "size": str(len(data)),
            "generation": str(generation),
            "metageneration": "1",
            "mediaLink": f"{self.url}/storage/v1/b/{BUCKET}/o/{name}?alt=media",
        }

    def list(self, query):
        """All names on one page; no client here minds that it asked for fewer."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        first, last = query.get("startOffset", ""), query.get("endOffset", "\U0010ffff")
        items, folders = [], {}
        for name in self.names(prefix):
            rest = name.removeprefix(prefix)
            if not first <= name < last:
                continue
            if delimiter and delimiter in rest:
                folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
            else:
                items.append(self.describe(name))
        return {"items": items, "prefixes": [*folders]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer in one packet.
    server: Store

    def answer(self):
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = PLACE.fullmatch(parts.path)
        try:
            if found is None or found[2] != BUCKET:
                raise Refusal(404)
            if self.command != "GET" and self.server.refused:
                raise Refusal(self.server.refused)
            if found[1] == "/upload":
                self.upload(query, body)
            elif not found[3]:
                self.send(200, {"kind": "storage#bucket", "name": BUCKET, "id": BUCKET})
            elif not found[4]:
                self.send(200, self.server.list(query))
            elif self.command == "GET" and self.server.unread:
                raise Refusal(self.server.unread)
            else:
                self.object(unquote(found[4]), found[4], query)
        except Refusal as refusal:
            (status,) = refusal.args
            error = {"error": {"code": status, "message": f"refused by {status}"}}
            self.send(status, b"" if status == 304 else error)  # 304 never has a body.

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def object(self, name, quoted, query):
        store = self.server
        if self.command == "POST":
            source, target = map(unquote, MOVE.fullmatch(quoted).groups())
            store.describe(source)  # Refused if it is not there.
            self.send(200, store.put(target, store.objects[source].data, query))
            del store.objects[source]
            return
        with store.lock:
            store.check(name, query)
            description = store.describe(name)
            data = store.objects[name].data
            if self.command == "DELETE":
                del store.objects[name]
        if self.command == "DELETE":
            self.send(204, b"")
        elif query.get("alt") == "media":
            self.media(data, description["generation"])
        else:
            self.send(200, description)

    def media(self, data, generation):
        headers = {"x-goog-generation": generation}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if wanted is None:
            self.send(200, data, headers)
            return
        first, last = wanted.groups()
        begin = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last) + 1, len(data)) if first and last else len(data)
        if begin >= len(data):
            raise Refusal(416)
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
        self.send(206, data[begin:end], headers)

    def upload(self, query, body):
        store = self.server
        if "upload_id" in query:
            name, conditions, whole = store.uploads[query["upload_id"]]
            whole += body
            if self.headers["Content-Range"].endswith("/*"):
                self.send(308, b"", {"Range": f"bytes=0-{len(whole) - 1}"})
            else:
                self.send(200, store.put(name, whole, conditions))
        elif query["uploadType"] == "resumable":
            number = str(next(store.numbers))
            name = query.get("name") or json.loads(body)["name"]
            store.uploads[number] = (name, query, bytearray())
            where = f"{store.url}/upload/storage/v1/b/{BUCKET}/o?upload_id={number}"
            self.send(200, b"", {"Location": where})
        elif query["uploadType"] == "multipart":
            mark = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
            _, about, data = re.split(rb"\r?\n?--" + re.escape(mark), body)[:3]
            about, data = (re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1] for part in (about, data))
            self.send(200, store.put(json.loads(about)["name"], data, query))
        else:
            self.send(200, store.put(query["name"], body, query))

    def send(self, status, content, headers=()):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve() -> Iterator[Store]:
    """Starts the store at a free port of 127.0.0.1, in a thread."""
    with Store() as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        try:
            yield store
        finally:
            store.shutdown()
