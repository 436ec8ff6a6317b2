"""Zabbix's API behind a small typed interface: log in, ask, change; every failure in words for people.

pyzabbix underneath. Questions are repeated when the connection fails, changes never: whether a change that
broke off was made is seen by asking again.
"""

from __future__ import annotations

import logging
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import tenacity
from pyzabbix.api import ZabbixAPI, ZabbixAPIException
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ha_monitor.errors import HaMonitorError

CONNECT_S, READ_S = 5.0, 60.0  # an import on a slow database takes long
RETRY_S = 20.0

# It logs passwords and tokens at DEBUG.
logging.getLogger("pyzabbix").setLevel(logging.CRITICAL)


class ZabbixApiError(HaMonitorError):
    """Zabbix's API was not reached, or refused: where, what was tried, what it said."""


@dataclass(frozen=True)
class Credentials:
    """A token, or a user with a password. Never shown."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def read_credentials(path: str, environment: Mapping[str, str] = os.environ) -> Credentials:
    """From the environment, else from a TOML file with ``token``, or ``user`` and ``password``.

    Never from the command line, which every user of the machine can read. Raises ZabbixApiError.
    """
    names = {key: f"HA_MONITOR_ZABBIX_{key.upper()}" for key in ("user", "password", "token")}
    values = {key: environment[name] for key, name in names.items() if environment.get(name)}
    if not values and path:
        values = _read_file(Path(path))
    found = Credentials(**{key: str(value) for key, value in values.items() if key in names})
    if found.token or (found.user and found.password):
        return found
    raise ZabbixApiError(
        f"no credentials for Zabbix's API: put token, or user and password, into a file named by"
        f" [publish.zabbix] credentials, or into {', '.join(names.values())}"
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ZabbixApiError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZabbixApiError(f'{path}: {error}; expected lines such as user = "Admin"') from error
    if mode & 0o007:
        raise ZabbixApiError(f"{path}: everybody may read it (mode {mode:o}); chmod 600")
    return values


class ZabbixApi:
    """One session. Not for several threads."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Log in. Raises ZabbixApiError."""
        self.url = url.removesuffix("/api_jsonrpc.php").rstrip("/")
        session = requests.Session()
        adapter = HTTPAdapter(max_retries=Retry(total=0, connect=2, backoff_factor=0.2))
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        # The version must be detected: how the session is named to the server depends on it.
        self._api = ZabbixAPI(self.url, session=session, timeout=(CONNECT_S, READ_S), detect_version=True)  # type: ignore[arg-type]
        self._is_token = bool(credentials.token)
        self._login(credentials)

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor of the server."""
        release: tuple[int, ...] = self._api.version.release if self._api.version else (0, 0)
        return release[0], release[1]

    def _login(self, credentials: Credentials) -> None:
        if self._is_token:
            self._guarded("login with a token", lambda: self._api.login(api_token=credentials.token))
            self.ask("host.get", limit=1, output=["hostid"])  # a wrong token is refused here, not at login
            return
        what = f"login as {credentials.user}"
        self._guarded(what, lambda: self._api.login(credentials.user, credentials.password))

    def ask(self, method: str, **params: Any) -> Any:
        """A question: repeated for a while when the connection fails. Raises ZabbixApiError."""
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            stop=tenacity.stop_after_delay(RETRY_S),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
            reraise=True,
        )
        return self._guarded(method, lambda: again(self._api.do_request, method, params))["result"]

    def change(self, method: str, **params: Any) -> Any:
        """A change: tried once. Raises ZabbixApiError."""
        return self._guarded(method, lambda: self._api.do_request(method, params))["result"]

    def close(self) -> None:
        """Log out: sessions do not pile up in Zabbix's database."""
        if not self._is_token:
            self._guarded("logout", lambda: self._api.do_request("user.logout", []))

    def _guarded(self, what: str, call: Any) -> Any:
        try:
            return call()
        except ZabbixAPIException as error:
            said = (error.error or {}).get("data") or str(error)
            raise ZabbixApiError(f"{self.url}: {what} refused: {said}") from error
        except requests.HTTPError as error:
            raise ZabbixApiError(f"{self.url}: {what}: HTTP {error.response.status_code}") from error
        except requests.RequestException as error:
            raise ZabbixApiError(f"{self.url} cannot be reached: {_reason(error)}") from error


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, requests.HTTPError):
        return error.response.status_code >= 500
    return isinstance(error, requests.ConnectionError | requests.Timeout)


def _reason(error: requests.RequestException) -> str:
    text = str(error)
    for marker in ("Connection refused", "timed out", "Name or service not known", "No route to host"):
        if marker in text:
            return marker.lower()
    return text
