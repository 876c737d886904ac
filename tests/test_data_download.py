"""Downloads, against a server on this machine that misbehaves on request."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import minicnn
from minicnn.data import datasets, download
from minicnn.errors import FileError

pytestmark = pytest.mark.host

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT under paths that say how well: /good, /cut, /noranges, /wrong, /busy ..."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.requests.append((kind, self.headers.get("Range")))
        if kind == "gone" or (kind == "busy" and len(self.server.requests) < 3):
            self.send_error(404 if kind == "gone" else 503)
            return
        content = b"w" * len(CONTENT) if kind == "wrong" else CONTENT
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and kind != "noranges":
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            told = start + (kind == "shifted")
            self.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[start:]
        if kind != "nolength":
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if kind == "cut":  # the connection ends after 200,000 bytes
            rest = rest[:200_000]
        for i in range(0, len(rest), 50_000):
            try:
                self.wfile.write(rest[i : i + 50_000])
            except OSError:
                return
            if kind == "drip":
                time.sleep(0.08)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.requests = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{made.server_port}/"
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.mark.parametrize("kind", ["good", "noranges", "nolength"])
def test_a_file_is_fetched_whole(server, tmp_path, kind):
    path = tmp_path / "new/folder/file"
    download.download([server.url + kind], path, MD5)
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file"], "nothing else is left"


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:300_000])
    download.download([server.url + "good"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.requests == [("good", "bytes=300000-")]


def test_a_connection_that_ends_early_is_resumed(server, tmp_path):
    download.download([server.url + "cut"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.requests == [("cut", None), ("cut", "bytes=200000-"), ("cut", "bytes=400000-")]


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:300_000])
    download.download([server.url + "noranges"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_was_complete_is_used(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    download.download([server.url + "good"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("junk", [b"junk" * 1000, b"junk" * 200_000], ids=["shorter", "longer"])
def test_a_part_of_another_file_is_thrown_away(server, tmp_path, junk):
    (tmp_path / "file.part").write_bytes(junk)
    download.download([server.url + "good"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.requests[-1] == ("good", None)


def test_a_busy_server_is_asked_again(server, tmp_path):
    download.download([server.url + "busy"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT and len(server.requests) == 3


def test_the_next_mirror_is_tried(server, tmp_path):
    urls = [server.url + kind for kind in ("gone", "wrong", "good")]
    download.download(urls, tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [kind for kind, _ in server.requests] == ["gone", "wrong", "good"]


def test_a_failure_names_every_mirror_and_the_way_out(server, tmp_path):
    closed = "http://127.0.0.1:9/file"
    with pytest.raises(FileError) as caught:
        download.download(
            [server.url + "gone", server.url + "wrong", closed], tmp_path / "file", MD5
        )
    text = str(caught.value)
    assert "download: 'file' could not be fetched:" in text
    assert "gone: HTTP 404 Not Found" in text
    assert re.search(rf"wrong: checksum mismatch: MD5 \w+ instead of {MD5}", text)
    assert re.search(r"127.0.0.1:9/file: \w+Error: .*refused", text)
    assert f"put it at '{tmp_path / 'file'}'" in text and "MINICNN_DATA" in text


def test_a_host_that_does_not_exist_is_asked_once(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 1000.0)
    with pytest.raises(FileError, match=r"http://nowhere.invalid/file: URLError"):
        download.download(["http://nowhere.invalid/file"], tmp_path / "file", MD5)


def test_wrong_content_never_gets_the_files_name(server, tmp_path):
    (tmp_path / "file").write_bytes(b"the good copy of long ago")
    with pytest.raises(FileError, match="checksum mismatch"):
        download.download([server.url + "wrong"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == b"the good copy of long ago"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_range_that_was_not_asked_for_is_not_used(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:300_000])
    with pytest.raises(
        FileError, match="asked for the bytes from 300000 on, the server sent 'bytes 300001"
    ):
        download.download([server.url + "shifted"], tmp_path / "file", MD5)


def test_a_file_that_another_process_has_fetched_is_kept(server, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    download.download([server.url + "good"], tmp_path / "file", MD5)
    assert server.requests == []


def test_two_processes_fetch_a_file_once(server, tmp_path):
    pytest.importorskip("fcntl")
    code = (
        "import sys; from minicnn.data.download import download; from pathlib import Path; "
        f"download(['{server.url}drip'], Path(r'{tmp_path / 'file'}'), '{MD5}')"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(minicnn.__file__).parent.parent)}
    both = [subprocess.Popen([sys.executable, "-c", code], env=env) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "file").read_bytes() == CONTENT and len(server.requests) == 1


def test_ctrl_c_keeps_what_has_come_and_the_next_run_goes_on(server, tmp_path, monkeypatch):
    class Impatient:
        count = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, size):
            Impatient.count += size
            if Impatient.count > 200_000:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "_bar", lambda *_: Impatient())
        with pytest.raises(KeyboardInterrupt):
            download.download([server.url + "good"], tmp_path / "file", MD5)
    have = (tmp_path / "file.part").stat().st_size
    assert have > 200_000 and not (tmp_path / "file").exists()
    download.download([server.url + "good"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.requests[-1] == ("good", f"bytes={have}-")


def test_a_data_set_downloads_what_is_missing(tmp_path, monkeypatch):
    import numpy as np
    from test_data_files import idx, md5

    zeros = {
        "train-images-idx3-ubyte.gz": idx(np.zeros((2, 28, 28), np.uint8)),
        "train-labels-idx1-ubyte.gz": idx(np.zeros(2, np.uint8)),
    }

    def fetch(urls, path, checksum):
        assert urls == [f"https://mirror/{path.name}", f"https://other/{path.name}"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zeros[path.name])

    class Tiny(datasets.MNIST):
        mirrors = ("https://mirror/", "https://other/")
        md5 = {name: md5(value) for name, value in zeros.items()}

    monkeypatch.setattr("minicnn.data.datasets.files.fetch", fetch)
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "cache"))
    assert len(Tiny()) == 2
    assert (tmp_path / "cache/mnist/train-images-idx3-ubyte.gz").exists()
    (tmp_path / "cache/mnist/train-labels-idx1-ubyte.gz").unlink()
    assert len(Tiny(tmp_path / "root", download=True)) == 2
    assert (tmp_path / "root/mnist/train-labels-idx1-ubyte.gz").exists()
