"""Pictures of what Nagios and Zabbix show, refused when they do not show it.

A picture counts only if its page answered well, is no login and no error page, holds the words
the caller expects, and has pixels enough for something to be seen.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from ha_monitor.lab.stack.browser import Browser, Page
from ha_monitor.lab.stack.hosts import StackError, StackHost
from ha_monitor.lab.stack.png import variety
from ha_monitor.lab.stack.zabbix import ADMIN

COOKIE = "zbx_session"
LETTERS_MIN = 20
COLOURS_MIN = 16
COMMONEST_SHARE_MAX = 0.995
WORDS_WITHIN_S = 20.0
RELOAD_AFTER_S = 4.0
SETTLE_WITHIN_S = 10.0
QUIET_LOOKS = 3
LOOK_EVERY_S = 0.2
TIMEOUT_S = 15
# A fact's own text may say that something was not found: a server's words count in the title alone.
ERROR_TITLES = re.compile(
    r"Internal Server Error|Service Unavailable|Not Found|Forbidden|Access denied|Database error|Warning|"
    r"is not available"
)
ERROR_WORDS = re.compile(
    r"Fatal error|Whoops! Error|Zabbix has received an incorrect request|No permissions to referred object|"
    r"Could not read (object|host|program)|Access denied|This site can.t be reached|ERR_[A-Z]+_[A-Z_]+"
)


class PictureRefused(StackError):
    """A page or its picture does not show what it should; `reason` is one short word."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Shot:
    """A picture to be taken: the file's name, the page, the words that must be on it.

    `click` finds by CSS what is clicked first, say to fold away a form that hides the contents.
    """

    name: str
    url: str
    expected: tuple[str, ...]
    click: str = ""


def judge_page(page: Page, expected: Sequence[str]) -> None:
    """Raise PictureRefused unless the page is the wanted one; the words are looked for in its text."""
    where = f"{page.url} ({page.title!r})"
    if page.status >= 400 or page.status == 0:
        raise PictureRefused("error", f"{where} answered with status {page.status}, expected 200")
    if page.asks_password:
        raise PictureRefused("login", f"{where} asks for a password, expected a session")
    found = ERROR_TITLES.search(page.title) or ERROR_WORDS.search(page.text)
    if found or page.complaints:
        said = found.group(0) if found else page.complaints[0]
        raise PictureRefused("error", f"{where} is an error page: {said!r}")
    if len(re.sub(r"\s", "", page.text)) < LETTERS_MIN:
        raise PictureRefused("blank", f"{where} shows no text, expected {list(expected)}")
    missing = [word for word in expected if word not in page.text]
    if missing:
        raise PictureRefused("words", f"{where} does not show {missing}; it shows: {page.text[:300]!r}")


def judge_picture(picture: bytes, where: str) -> None:
    """Raise PictureRefused when the picture is one even sheet, whatever the page's text says."""
    seen = variety(picture)
    if seen.colours < COLOURS_MIN or seen.commonest_share > COMMONEST_SHARE_MAX:
        raise PictureRefused(
            "blank",
            f"the picture of {where} has {seen.colours} colours and {seen.commonest_share:.2%} of it is one;"
            f" expected {COLOURS_MIN} colours and at most {COMMONEST_SHARE_MAX:.2%}",
        )


def take(browser: Browser, shot: Shot, directory: Path, within_s: float = WORDS_WITHIN_S) -> Path:
    """Take one picture into `directory`. Raises PictureRefused with the last reason at the end."""
    deadline = time.monotonic() + within_s
    while (status := _opened(browser, shot, deadline)) is None:
        pass
    if shot.click:
        browser.click(shot.click)
    browser.grow()
    _let_settle(browser)
    judge_page(browser.look(shot.url, status), shot.expected)
    picture = browser.picture()
    judge_picture(picture, shot.url)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{shot.name}.png"
    target.write_bytes(picture)
    return target


def _opened(browser: Browser, shot: Shot, deadline: float) -> int | None:
    """Load the page and watch it for a while; its status, or None if it should be loaded anew.

    Zabbix's widgets fill in after the page is there, Nagios's pages change only when loaded again.
    A login or an error page does not get better: it is refused at once.
    """
    status = browser.open(shot.url)
    reload_at = time.monotonic() + RELOAD_AFTER_S
    while True:
        try:
            judge_page(browser.look(shot.url, status), shot.expected)
            return status
        except PictureRefused as refused:
            if refused.reason in ("login", "error") or time.monotonic() >= deadline:
                raise
        if time.monotonic() >= reload_at:
            return None
        time.sleep(LOOK_EVERY_S)


def _let_settle(browser: Browser) -> None:
    """Wait until nothing has been loading for a moment; a page that never rests is taken as it is."""
    deadline, quiet = time.monotonic() + SETTLE_WITHIN_S, 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        quiet = 0 if browser.look("", 0).is_loading else quiet + 1


def zabbix_session(web_url: str, password: str) -> str:
    """Log in through the sign-in form and return the session's cookie."""
    form = {"name": ADMIN, "password": password, "autologin": "1", "enter": "Sign in"}
    with requests.Session() as session:
        try:
            answer = session.post(
                f"{web_url}/zabbix/index.php", data=form, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise StackError(f"Zabbix's sign-in page gave no answer: {error}") from error
        cookie = session.cookies.get(COOKIE)
        # A wrong password answers 200 with the form again, a right one leads on.
        if answer.status_code != 302 or not cookie:
            raise StackError(f"Zabbix did not let {ADMIN} in: status {answer.status_code}, expected 302")
        return cookie


def take_all(
    host: StackHost, shots: Sequence[Shot], directory: Path, session: str = "", session_url: str = ""
) -> tuple[Path, ...]:
    """Take several pictures with one browser in `host`; `session` is Zabbix's cookie for its site."""
    with Browser(host) as browser:
        if session:
            browser.set_cookie(session_url, COOKIE, session)
        return tuple(take(browser, shot, directory) for shot in shots)
