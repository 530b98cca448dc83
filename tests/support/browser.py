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


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser; None if there is none."""

# Goes into every page, before its own scripts.
LISTENER = """<script>
window.complaints = [];
for (const level of ["error", "warn"]) {
  const before = console[level];
  console[level] = (...words) => { complaints.push(words.join(" ")); before(...words); };
}
window.addEventListener("error", (event) => {
  complaints.push(event.message || `cannot load ${event.target.src || event.target.href}`);
}, true);
window.addEventListener("unhandledrejection", (event) => complaints.push(`${event.reason}`));
</script>"""

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
    complaints: inside.complaints,
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


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, pages with a listener to their complaints."""

    def __init__(self, *arguments, missing: list[str], **settings):
        self.missing = missing
        super().__init__(*arguments, **settings)

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix != ".html" or not path.exists():
            super().do_GET()
            return
        text = path.read_text(encoding="utf-8").replace("<head>", f"<head>{LISTENER}", 1)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def send_error(self, *arguments):
        self.missing.append(self.path)
        super().send_error(*arguments)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder: Path, missing: list[str]) -> Iterator[str]:
    """Serves a folder on this machine; paths asked for in vain go into ``missing``."""
    handler = functools.partial(Handler, directory=str(folder), missing=missing)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def visit(folder: Path, pages: Sequence[str], profile: Path) -> tuple[list[dict], list[str]]:
    """Opens pages of a folder in a browser without a network.

    Args:
      folder: of the site.
      pages: paths in it.
      profile: an empty folder for the browser.

    Returns:
      What was seen on every page, and the paths that the browser asked for in vain.
    """
    visitor, missing = folder / "visitor.html", []
    visitor.write_text(VISITOR.replace("PAGES", json.dumps(list(pages))), encoding="utf-8")
    with served(folder, missing) as home:
        found = subprocess.run(
            [
                str(CHROMIUM),
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                f"--user-data-dir={profile}",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                *("--virtual-time-budget=1000000", "--dump-dom"),
                f"{home}/visitor.html",
            ],
            capture_output=True,
            text=True,
            timeout=500,
        )
    visitor.unlink()
    text = re.search(r'<pre id="seen">(.*?)</pre>', found.stdout, re.DOTALL)
    assert text, found.stderr[-4000:]
    return json.loads(html.unescape(text.group(1))), missing
