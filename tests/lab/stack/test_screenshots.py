"""A picture is taken of the page that was meant, and refused when it shows anything else."""

import dataclasses
import threading
import time

import pytest

from ha_monitor.lab.stack.browser import Browser, Page
from ha_monitor.lab.stack.nagios import COMMAND_FILE
from ha_monitor.lab.stack.png import variety
from ha_monitor.lab.stack.screenshots import PictureRefused, Shot, judge_page, judge_picture, take

TEXT = "Service Status Details For All Hosts pub2 HA group www OK"
GOOD = Page("http://mon/", 200, "Current Network Status", TEXT, asks_password=False)


def tell(monitoring, text: str) -> None:
    line = f"[{int(time.time())}] PROCESS_SERVICE_CHECK_RESULT;pub2;by spool;0;{text}\n"
    with open(monitoring.host.path(COMMAND_FILE), "w") as fifo:
        fifo.write(line)


@pytest.fixture(scope="module")
def browser(monitoring):
    with Browser(monitoring.host) as started:
        yield started


@pytest.mark.stack
def test_pictures_of_both_systems_show_what_they_should(monitoring, tmp_path):
    zabbix = f"{monitoring.inner_url}/zabbix/zabbix.php?action="
    shots = [
        monitoring.shot_of_nagios_services(["HA group www"]),
        Shot("dashboard", f"{zabbix}dashboard.view", ("Zabbix server is running", "System information")),
        monitoring.shot_of_zabbix_problems(["Recovery time", "Duration"]),
    ]
    taken = monitoring.pictures(shots, tmp_path)
    assert [file.name for file in taken] == ["nagios-services.png", "dashboard.png", "zabbix-problems.png"]
    assert all(variety(file.read_bytes()).colours > 100 for file in taken)


@pytest.mark.stack
def test_planted_login_page_is_refused(monitoring, browser, tmp_path):
    shot = Shot("x", f"{monitoring.inner_url}/zabbix/index.php?reconnect=1", ("Sign in",))
    with pytest.raises(PictureRefused) as caught:
        take(browser, shot, tmp_path)
    assert caught.value.reason == "login"
    assert not list(tmp_path.iterdir())


@pytest.mark.stack
@pytest.mark.parametrize("path", ["/nowhere", "/nagios4/cgi-bin/none.cgi", "/zabbix/conf/"])
def test_planted_error_page_is_refused(monitoring, browser, tmp_path, path):
    with pytest.raises(PictureRefused) as caught:
        take(browser, Shot("x", monitoring.inner_url + path, ()), tmp_path)
    assert caught.value.reason == "error"


@pytest.mark.stack
def test_page_that_nobody_serves_is_refused(monitoring, browser, tmp_path):
    with pytest.raises(PictureRefused, match="status 0"):
        take(browser, Shot("x", f"http://{monitoring.address}:9/", ()), tmp_path)


@pytest.mark.stack
def test_planted_page_without_a_word_is_refused(monitoring, browser, tmp_path):
    wordless = f"{monitoring.inner_url}/nagios4/images/logofullsize.png"
    with pytest.raises(PictureRefused) as caught:
        take(browser, Shot("x", wordless, ()), tmp_path, within_s=0.5)
    assert caught.value.reason == "blank"


@pytest.mark.stack
def test_planted_blank_picture_is_refused_whatever_its_text_was(browser):
    browser.open("about:blank")
    with pytest.raises(PictureRefused) as caught:
        judge_picture(browser.picture(), "about:blank")
    assert caught.value.reason == "blank"


@pytest.mark.stack
def test_page_without_the_expected_words_is_refused(monitoring, browser, tmp_path):
    shot = Shot("x", f"{monitoring.inner_url}/nagios4/cgi-bin/status.cgi?host=all", ("HA group mail",))
    with pytest.raises(PictureRefused) as caught:
        take(browser, shot, tmp_path, within_s=0.5)
    assert caught.value.reason == "words"


@pytest.mark.stack
def test_words_that_come_later_are_waited_for(monitoring, browser, tmp_path):
    told = threading.Timer(1.0, lambda: tell(monitoring, "it came late"))
    told.start()
    shot = monitoring.shot_of_nagios_services(["it came late"])
    assert take(browser, shot, tmp_path).exists()
    told.join()


def test_good_page_is_accepted():
    judge_page(GOOD, ["HA group www", "OK"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": 500}, "error"),
        ({"status": 0}, "error"),
        ({"asks_password": True}, "login"),
        ({"text": " \n "}, "blank"),
        ({"title": "404 Not Found"}, "error"),
        ({"text": f"Fatal error: allowed memory exhausted {TEXT}"}, "error"),
        ({"complaints": ('Locale for language "en_US" is not found',)}, "error"),
        ({"text": "Service Status Details For All Hosts"}, "words"),
    ],
)
def test_page_that_is_not_the_wanted_one_is_refused(change, reason):
    with pytest.raises(PictureRefused) as caught:
        judge_page(dataclasses.replace(GOOD, **change), ["HA group www"])
    assert caught.value.reason == reason


def test_words_of_a_fact_are_no_error_page():
    judge_page(dataclasses.replace(GOOD, text=f"{TEXT} address Not Found on any Node"), ["HA group www"])
