"""The API wrapper against an HTTP server on loopback: credentials, refusals, repeated questions."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ha_monitor.cli.main import main
from ha_monitor.provision import zabbix_api
from ha_monitor.provision.zabbix_api import Credentials, ZabbixApi, ZabbixApiError, read_credentials
from tests.provision.test_nagios_objects import EXAMPLE

PASSWORD = "s3cret-and-never-shown"


class FakeApi(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls, self.failures = [], []
        self.answers = {
            "apiinfo.version": "6.0.14",
            "user.login": "session",
            "user.logout": True,
            "host.get": [],
        }
        self.url = f"http://127.0.0.1:{self.server_port}/zabbix"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append(request)
        if self.server.failures and request["method"] != "apiinfo.version":
            self.send_error(self.server.failures.pop(0))
            return
        answer = self.server.answers.get(request["method"])
        if isinstance(answer, str) and answer.startswith("refuse: "):
            error = {"code": -32602, "message": "Invalid params.", "data": answer.removeprefix("refuse: ")}
            body = {"jsonrpc": "2.0", "error": error, "id": request["id"]}
        else:
            body = {"jsonrpc": "2.0", "result": answer, "id": request["id"]}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def fake():
    server = FakeApi()
    yield server
    server.shutdown()
    server.server_close()


def connect(fake):
    return ZabbixApi(fake.url, Credentials("Admin", PASSWORD))


def methods(fake):
    return [call["method"] for call in fake.calls]


def test_a_session_is_opened_and_closed(fake):
    api = connect(fake)
    api.close()
    assert methods(fake) == ["apiinfo.version", "user.login", "user.logout"]
    assert api.version == (6, 0)


def test_a_token_needs_no_login_and_is_tried_at_once(fake):
    ZabbixApi(fake.url, Credentials(token="0123")).close()
    assert methods(fake) == ["apiinfo.version", "host.get"]
    assert fake.calls[-1]["auth"] == "0123"


def test_a_question_is_repeated_when_the_server_stumbles(fake):
    api = connect(fake)
    fake.failures = [502, 503]
    assert api.ask("host.get") == []
    assert methods(fake).count("host.get") == 3


def test_a_change_is_tried_once(fake):
    api = connect(fake)
    fake.failures = [502]
    with pytest.raises(ZabbixApiError, match=r"host\.create: HTTP 502"):
        api.change("host.create", host="x")
    assert methods(fake).count("host.create") == 1


def test_a_refused_login_is_told_without_the_password(fake):
    fake.answers["user.login"] = "refuse: Incorrect user name or password or account is temporarily blocked."
    with pytest.raises(ZabbixApiError, match="login as Admin refused: Incorrect user name") as caught:
        connect(fake)
    assert PASSWORD not in str(caught.value)


def test_a_refused_change_is_told_with_its_reason(fake):
    fake.answers["host.create"] = 'refuse: Host with the same name "x" already exists.'
    with pytest.raises(ZabbixApiError, match="already exists"):
        connect(fake).change("host.create", host="x")


def test_a_server_that_is_not_there_is_told_in_a_line(monkeypatch):
    monkeypatch.setattr(zabbix_api, "RETRY_S", 0.1)
    with pytest.raises(ZabbixApiError, match="cannot be reached: connection refused"):
        ZabbixApi("http://127.0.0.1:9/zabbix", Credentials("Admin", PASSWORD))


def test_credentials_come_from_a_private_file(tmp_path):
    path = tmp_path / "zabbix.toml"
    path.write_text(f'user = "Admin"\npassword = "{PASSWORD}"\n')
    path.chmod(0o600)
    assert read_credentials(str(path), {}) == Credentials("Admin", PASSWORD)
    assert PASSWORD not in repr(read_credentials(str(path), {}))


def test_the_environment_comes_before_the_file(tmp_path):
    assert read_credentials("/nonexistent", {"HA_MONITOR_ZABBIX_TOKEN": "t"}) == Credentials(token="t")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ('user = "Admin"\npassword = "x"\n', 0o644, "everybody may read it"),
        ('user = "Admin"\n', 0o600, "no credentials"),
        ("user: Admin\n", 0o600, "expected lines such as"),
    ],
)
def test_a_file_that_is_unfit_is_refused(tmp_path, text, mode, said):
    path = tmp_path / "zabbix.toml"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ZabbixApiError, match=said):
        read_credentials(str(path), {})


def test_a_missing_file_and_missing_credentials_are_told():
    with pytest.raises(ZabbixApiError, match="/nonexistent: No such file"):
        read_credentials("/nonexistent", {})
    with pytest.raises(ZabbixApiError, match="HA_MONITOR_ZABBIX_TOKEN"):
        read_credentials("", {})


def test_the_command_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.delenv("HA_MONITOR_ZABBIX_TOKEN", raising=False)
    monkeypatch.delenv("HA_MONITOR_ZABBIX_USER", raising=False)
    assert main(["provision", "zabbix", "--config", str(EXAMPLE)]) == 2
    assert "[publish.zabbix] api" in capsys.readouterr().err
    assert main(["provision", "zabbix", "--config", str(EXAMPLE), "--url", "http://127.0.0.1:9/"]) == 2
    assert "no credentials" in capsys.readouterr().err
