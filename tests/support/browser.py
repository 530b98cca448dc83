"""Pages of a folder in headless Chromium, all in one go."""

import contextlib
import functools
import html
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser; None if there is none."""

# Every page in a frame of its own, one after the other; what is seen is the text at the end.
VISITOR = """<!DOCTYPE html><meta charset="utf-8"><title>visitor</title><body><script>
async function visit(page) {
  const frame = document.createElement("iframe");
  Object.assign(frame, {src: page, width: 1200, height: 900});
  await new Promise((done) => { frame.onload = done; document.body.append(frame); });
  const inside = frame.contentWindow;
  if (inside.MathJax && inside.MathJax.startup) await inside.MathJax.startup.promise;
  const all = (selector) => [...inside.document.querySelectorAll(selector)];
  const seen = {
    page,
    formulas: all(".math").length,
    plain: all(".math").filter((math) => !math.querySelector("mjx-container")).length,
    wrong: all("mjx-merror, [data-mjx-error]").length,
    blank: all("img").filter((image) => !image.complete || !image.naturalWidth).length,
    height: inside.document.body.scrollHeight,
  };
  frame.remove();
  return seen;
}
(async () => {
  const seen = [];
  for (const page of PAGES) seen.push(await visit(page));
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script></body>"""


class Visit(NamedTuple):
    """What a browser saw.

    Attributes:
      seen: for every page its counts.
      console: lines of the console.
      missing: paths that the browser asked for in vain.
    """

    seen: list[dict[str, Any]]
    console: list[str]
    missing: list[str]


@contextlib.contextmanager
def served(folder: Path, missing: list[str]) -> Iterator[str]:
    """Serves a folder on this machine; paths asked for in vain go into ``missing``."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def send_error(self, code, *arguments):
            missing.append(self.path)
            super().send_error(code, *arguments)

        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def visit(folder: Path, pages: Sequence[str], profile: Path) -> Visit:
    """Opens pages of a folder without a network, by their paths in it."""
    visitor, missing = folder / "visitor.html", []
    visitor.write_text(VISITOR.replace("PAGES", json.dumps(list(pages))), encoding="utf-8")
    with served(folder, missing) as home:
        found = subprocess.run(
            [
                str(CHROMIUM),
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                f"--user-data-dir={profile}",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                *("--enable-logging=stderr", "--virtual-time-budget=1000000", "--dump-dom"),
                f"{home}/visitor.html",
            ],
            capture_output=True,
            text=True,
            timeout=500,
        )
    visitor.unlink()
    text = re.search(r'<pre id="seen">(.*?)</pre>', found.stdout, re.DOTALL)
    assert text, found.stderr[-4000:]
    console = [line for line in found.stderr.splitlines() if ":CONSOLE" in line]
    missing = [path for path in missing if path != "/favicon.ico"]
    return Visit(json.loads(html.unescape(text.group(1))), console, missing)
