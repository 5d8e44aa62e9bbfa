"""Chromium without a window, driven by playwright: pages that run a function of a JavaScript module and report.

with Browser("/usr/bin/chromium", module) as browser, browser.run("read", page=url, argument=url) as tab:
    assert tab.report() == {"status": 200}
"""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urljoin

if TYPE_CHECKING:
    from playwright.sync_api import Page

_PAGE = "/a-page-of-the-tests"
_WAIT_SECONDS = 10.0
_GRACE_SECONDS = 5.0
_START = """async ([module, name, argument]) => {
    window.reports = [];
    const functions = await import(module);
    window.leave = functions[name](argument, (what) => window.reports.push(what));
}"""

Result = TypeVar("Result")


class Browser:
    """A running browser, as a context manager. ``module`` is the file whose functions its pages run."""

    def __init__(self, program: str, module: Path) -> None:
        self._program = program
        self._module = "data:text/javascript;base64," + base64.b64encode(module.read_bytes()).decode()

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright  # here, so that only what needs a browser needs playwright

        # While playwright runs, its thread has a running event loop: tests with loops of their own need theirs free.
        self._thread = ThreadPoolExecutor(1, "browser")
        try:
            self._playwright = self.do(lambda: sync_playwright().start())
            self._chromium = self.do(
                lambda: self._playwright.chromium.launch(executable_path=self._program, args=["--no-proxy-server"])
            )
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.do(self._chromium.close)
        finally:
            self._end()

    def _end(self) -> None:
        if hasattr(self, "_playwright"):
            self.do(self._playwright.stop)  # ends the browser too, should it still run
        self._thread.shutdown()

    def do(self, action: Callable[[], Result]) -> Result:
        """Return what ``action`` returns in the thread that owns the browser; raise TimeoutError where it hangs."""
        return self._thread.submit(action).result(_WAIT_SECONDS + _GRACE_SECONDS)

    def run(self, name: str, url: str) -> "Tab":
        """Open a web page in a fresh profile and call the function ``name`` of the module with ``url`` there."""
        return Tab(self, [self._module, name, url])

    def visit(self, url: str, **profile: Any) -> "Visit":
        """Open ``url`` itself in a fresh profile; ``profile`` are options of playwright's for it."""
        return Visit(self, url, profile)


class _Opened:
    """A page in a profile of its own, as a context manager; ``_open`` says how it begins."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def __enter__(self) -> Self:
        self._page = self._browser.do(self._open)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._browser.do(self._page.context.close)

    def _open(self) -> "Page":
        raise NotImplementedError

    def _new_page(self, **profile: Any) -> "Page":
        page: Page = self._browser._chromium.new_context(**profile).new_page()
        page.set_default_timeout(_WAIT_SECONDS * 1000)
        return page


class Visit(_Opened):
    """A web page that somebody looks at, as a context manager. Its methods run in the thread of the browser.

    What the browser complains of on the way (errors, violations of a policy, what could not be loaded) is kept in
    ``complaints``; dialogs are answered with yes, and their texts kept in ``dialogs``.
    """

    def __init__(self, browser: Browser, url: str, profile: dict[str, Any]) -> None:
        super().__init__(browser)
        self._url, self._profile = url, profile
        self.complaints: list[str] = []
        self.dialogs: list[str] = []

    def _open(self) -> "Page":
        page = self._new_page(**self._profile)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._answer)
        page.goto(self._url)
        return page

    def _listen(self, line: Any) -> None:
        if line.type in ("error", "warning"):
            self.complaints.append(line.text)

    def _answer(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.accept()

    def do(self, action: Callable[["Page"], Result]) -> Result:
        """Return what ``action`` does with the page."""
        return self._browser.do(lambda: action(self._page))

    def wait(self, condition: str, argument: object = None) -> None:
        """Wait until ``condition``, a function in JavaScript, returns something true of ``argument``."""
        from playwright.sync_api import TimeoutError as Waited

        try:
            self.do(lambda page: page.wait_for_function(condition, arg=argument, polling=50))
        except Waited:
            text = self.do(lambda page: page.inner_text("body"))
            raise AssertionError(f"never true: {condition}\n{text}\n{self.complaints}") from None

    def tell(self, expression: str, argument: object = None) -> Any:
        """Return what ``expression`` in JavaScript is."""
        return self.do(lambda page: page.evaluate(expression, argument))


class Tab(_Opened):
    """A page that runs a function, as a context manager; what the function reports comes out one by one."""

    def __init__(self, browser: Browser, call: list[str]) -> None:
        super().__init__(browser)
        self._call = call
        self._read = 0

    def _open(self) -> "Page":
        page = self._new_page()
        page_url = urljoin(self._call[-1], _PAGE)
        page.route(page_url, lambda route: route.fulfill(content_type="text/html", body="<title>tests</title>"))
        page.goto(page_url)
        page.evaluate(_START, self._call)
        return page

    def report(self) -> dict[str, Any]:
        """Return what it reports next; raise AssertionError if nothing comes."""
        self._wait("read => reports.length > read", "says nothing")
        self._read += 1
        found: dict[str, Any] = self._browser.do(lambda: self._page.evaluate("at => reports[at]", self._read - 1))
        return found

    def reports(self) -> list[dict[str, Any]]:
        """Return all that it still reports until it says that it ended."""
        self._wait("read => reports.slice(read).some(what => what.end || what.error)", "does not end")
        found: list[dict[str, Any]] = self._browser.do(
            lambda: self._page.evaluate("read => reports.slice(read)", self._read)
        )
        self._read += len(found)
        return found

    def tell(self, line: str) -> None:
        """Let the function's caller leave; ``line`` is for readers of the test."""
        self._browser.do(lambda: self._page.evaluate("leave()"))

    def _wait(self, condition: str, problem: str) -> None:
        from playwright.sync_api import TimeoutError as Waited

        try:
            self._browser.do(lambda: self._page.wait_for_function(condition, arg=self._read, polling=20))
        except Waited:
            seen = self._browser.do(lambda: self._page.evaluate("reports"))
            raise AssertionError(f"the page {problem}; so far {seen}") from None
