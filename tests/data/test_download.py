"""Downloads from a server on this machine: whole and checked, or nothing but one sentence."""

import errno
import gzip
import os
import signal
import sys

import pytest
from support.idx_files import SOURCES, assert_holds, assert_sentence, draw, published, write
from support.server import Answer, Handler, serving

from sgl_jax._util.signals import Stopped, note_signals
from sgl_jax.data._download import RETRIES
from sgl_jax.data._idx_source import FILES


CONTENTS = draw()


class Stalling(Handler):
    """Sends SIGTERM to this process with half of a body, and nothing further."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2])
        os.kill(os.getpid(), signal.SIGTERM)
        self.server.over.wait()


GOOD = {f"{name}.gz": [Answer(gzip.compress(content))] for name, content in CONTENTS.items()}
FIRST = f"{FILES[0]}.gz"
BODY = GOOD[FIRST][0].body
HARMED = bytes([*BODY[:-40], *(byte ^ 0xFF for byte in BODY[-40:-30]), *BODY[-30:]])

BAD = {
    "truncated": (Answer(BODY, sent=len(BODY) // 2), "ChunkedEncodingError"),
    "truncated at the source": (Answer(BODY[: len(BODY) // 2]), "damaged file"),
    "corrupted": (Answer(HARMED), "damaged file"),
    "of another data set": (Answer(gzip.compress(draw(1)[FILES[0]])), "damaged file"),
    "a page instead": (Answer(b"<html></html>"), "damaged file"),
    "broken": (Answer(status=500), "HTTP status 500"),
    "missing": (Answer(status=404), "HTTP status 404"),
}


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Pauses are counted, not made; proxies are left alone."""
    made = []
    monkeypatch.setattr("pooch.core.time.sleep", made.append)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return made


def mnist(*mirrors):
    return published(SOURCES["mnist"], CONTENTS, mirrors)


def files_in(folder):
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in files)


@pytest.mark.parametrize("name", SOURCES)
def test_download_fetches_all_files_once(tmp_path, name):
    with serving(GOOD) as server:
        source = published(SOURCES[name], CONTENTS, [server.url])
        root = tmp_path / "new" / "root"
        assert_holds(source.load(root, download=True), CONTENTS)
        assert sorted(server.asked) == sorted(GOOD)
        assert files_in(root) == sorted(f"{source.folders[0]}/{file}" for file in GOOD)
        assert_holds(source.load(root, download=True), CONTENTS)
        assert_holds(source.load(root), CONTENTS)
        assert len(server.asked) == 4


def test_downloaded_files_can_be_shared(tmp_path):
    with serving(GOOD) as server:
        mnist(server.url).load(tmp_path, download=True)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.gz")} == {0o644}


def test_download_puts_what_is_missing_beside_the_others(tmp_path):
    write(tmp_path, {name: CONTENTS[name] for name in FILES[:3]}, packed=False)
    with serving(GOOD) as server:
        assert_holds(mnist(server.url).load(tmp_path, download=True), CONTENTS)
        assert server.asked == [f"{FILES[3]}.gz"]
    assert (tmp_path / f"{FILES[3]}.gz").is_file()


def test_download_replaces_nothing(tmp_path):
    harmed = CONTENTS[FILES[0]][:-1]
    write(tmp_path, CONTENTS | {FILES[0]: harmed}, packed=False)
    with serving(GOOD) as server:
        with pytest.raises(ValueError, match="replace the file by a good copy"):
            mnist(server.url).load(tmp_path, download=True)
        assert server.asked == []
    assert (tmp_path / FILES[0]).read_bytes() == harmed


@pytest.mark.parametrize(("answer", "reason"), BAD.values(), ids=BAD)
def test_download_that_fails_leaves_nothing(tmp_path, pauses, answer, reason):
    with serving(GOOD | {FIRST: [answer]}) as server:
        with pytest.raises(ConnectionError, match=FIRST) as error:
            mnist(server.url).load(tmp_path, download=True)
        assert_sentence(error, f"{server.url}: {reason}", tmp_path / "mnist")
        assert server.asked == [FIRST] * (1 + RETRIES)
    assert pauses == [1, 2]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(("answer", "reason"), BAD.values(), ids=BAD)
def test_download_is_tried_again(tmp_path, answer, reason):
    with serving(GOOD | {FIRST: [answer, answer, *GOOD[FIRST]]}) as server:
        assert_holds(mnist(server.url).load(tmp_path, download=True), CONTENTS)
        assert server.asked.count(FIRST) == 3


def test_download_without_a_server_says_so(tmp_path):
    with serving(GOOD) as server:
        pass
    with pytest.raises(ConnectionError, match=FIRST) as error:
        mnist(server.url).load(tmp_path, download=True)
    assert_sentence(error, f"{server.url}: ConnectionError")
    assert files_in(tmp_path) == []


def test_download_goes_on_to_the_next_mirror(tmp_path):
    with serving({}) as down, serving({FIRST: [BAD["corrupted"][0]]}) as bad, serving(GOOD) as good:
        down.server_close()
        mirrors = [down.url, bad.url.rstrip("/"), good.url]
        assert_holds(mnist(*mirrors).load(tmp_path, download=True), CONTENTS)
        assert sorted(good.asked) == sorted(GOOD)


@pytest.mark.parametrize("recompressed", [False, True])
def test_download_knows_a_file_by_what_is_in_it(tmp_path, recompressed):
    # Some servers unpack files that end in .gz on their way, some pack them anew.
    body = gzip.compress(CONTENTS[FILES[0]], 1)
    answer = Answer(body) if recompressed else Answer(body, encoding="gzip")
    with serving(GOOD | {FIRST: [answer]}) as server:
        assert_holds(mnist(server.url).load(tmp_path, download=True), CONTENTS)
    content = (tmp_path / "mnist" / FIRST).read_bytes()
    assert content == (body if recompressed else CONTENTS[FILES[0]])


def test_download_shows_its_progress_on_a_terminal(tmp_path, capsys, monkeypatch):
    with serving(GOOD) as server:
        source = mnist(server.url)
        source.load(tmp_path / "quiet", download=True)
        assert "100%" not in capsys.readouterr().err
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        source.load(tmp_path / "shown", download=True)
        assert capsys.readouterr().err.count("100%") >= 4


def test_download_without_pooch_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'sgl-jax\[demo\]'") as error:
        mnist("http://127.0.0.1/").load(tmp_path, download=True)
    assert_sentence(error)


def test_download_to_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "mnist").touch()
    with serving(GOOD) as server, pytest.raises(OSError, match="Not a directory") as error:
        mnist(server.url).load(tmp_path, download=True)
    assert_sentence(error, tmp_path / "mnist")


def test_download_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pooch.utils.tempfile.NamedTemporaryFile", refuse)
    (tmp_path / "mnist").mkdir()
    with pytest.raises(OSError, match="'Permission denied'") as error:
        mnist("http://127.0.0.1/").load(tmp_path, download=True)
    assert_sentence(error, tmp_path / "mnist")


def test_download_to_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def write_half(self, url, output_file, client):
        with open(output_file, "wb") as file:
            file.write(BODY[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", write_half)
    with pytest.raises(OSError, match="No space left on device") as error:
        mnist("http://127.0.0.1/").load(tmp_path, download=True)
    assert_sentence(error, tmp_path / "mnist")
    assert files_in(tmp_path) == []


def test_download_that_stalls_is_left_at_a_signal_and_leaves_nothing(tmp_path):
    def load(url):
        with note_signals():
            mnist(url).load(tmp_path, download=True)

    with serving({}, Stalling) as server, pytest.raises(Stopped):
        load(server.url)
    assert files_in(tmp_path) == []
