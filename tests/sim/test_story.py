"""Stories as text: what is read, what is refused and how, and what happens when a story is false."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ha_monitor.cli.main import main
from ha_monitor.errors import ConfigErrors
from ha_monitor.sim.story import SETUP_WORDS, read_story, retold
from ha_monitor.sim.story_run import FORMS, StoryFailed, differences, play

TOLD = """\
pub2 loses power: pub3 takes over.

timing fast

# Why not.
power-off pub2
run 1s
expect www on pub3
----
     0  www: nobody answers
   230  pub3, mon: pub2 is suspect
   480  pub3, mon: pub2 is lost
   490  www: pub3 answers
   490  www: pub2 -> pub3 (node-silent, failure)
"""


FORGOTTEN = """\
The Witness loses its memory while only its grant keeps pub3 from taking over.

{plant}

cut all pub2 pub3
run 1500ms
kill all mon
forget mon
cut all pub2 mon
start mon
run 3s
"""


def story(text=TOLD):
    return read_story(text, "x.txt")


def refusal(text):
    with pytest.raises(ConfigErrors) as caught:
        play(story(text))
    return str(caught.value)


def test_a_story_goes_as_it_is_told():
    assert differences(story(), play(story())) == []


def test_a_story_that_goes_otherwise_shows_what_was_told_and_what_happened():
    found = differences(story(), play(story(TOLD.replace("power-off pub2", "stop pub2"))))
    assert found[0] == "x.txt:6: power-off pub2"
    assert "-    490  www: pub2 -> pub3 (node-silent, failure)" in found
    assert "+     10  www: pub2 -> pub3 (daemon-stopped, planned)" in found


def test_a_block_without_a_trace_is_no_told_story():
    text = TOLD.partition("----")[0]
    assert differences(story(text), play(story(text))) == ["x.txt:6: no trace is told below these commands"]


def test_a_trace_is_put_in_the_place_of_the_old_one_and_nothing_else_is_touched():
    bare = story(TOLD.partition("----")[0])
    stale = story(TOLD.replace("230", "17").replace("     0  www: nobody answers\n", ""))
    for before in (bare, stale):
        assert retold(before, play(before).traces) == TOLD


def test_two_blocks_are_rewritten_each_in_its_place():
    text = "It happens.\n\nrun 1ms\n\n# Then.\nrun 2ms\n----\n  old\n"
    assert retold(story(text), [["a"], ["b", "c"]]) == (
        "It happens.\n\nrun 1ms\n----\na\n\n# Then.\nrun 2ms\n----\nb\nc\n"
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("power-off pub9", "x.txt:6: 'pub9' is not a voter (pub2, pub3, mon) (power-off VOTER...)"),
        ("power-of pub2", "x.txt:6: 'power-of' is not one of "),
        ("cut pub2", "x.txt:6: 'pub2' is not a Link (lan, direct, all) (cut LINK VOTER)"),
        ("cut lan", "x.txt:6: 'the end of the line' is not VOTER (cut LINK VOTER)"),
        ("run 3", "x.txt:6: '3' is not a length of time such as 3s or 250ms (run TIME)"),
        ("lose 20 lan", "x.txt:6: '20' is not a part such as 20% (lose PART LINK)"),
        ("run 3s pub2", "x.txt:6: 'pub2' is not the end of the line (run TIME)"),
        ("agent nginx pub2 stop dances", "'dances' is not one of (works, fails, hangs)"),
        ("claim 192.0.2.7 pub2", "'192.0.2.7' is not a service address (192.0.2.100)"),
        ("expect cause www whim", "'whim' is not a cause (cluster-started, "),
    ],
)
def test_a_line_that_does_not_fit_is_refused_with_its_place_and_what_should_stand_there(line, complaint):
    assert complaint in refusal(TOLD.replace("power-off pub2", line))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("timing slow", "x.txt:3: 'timing slow' is not 'timing' and one of lan, fast, metal, gentle"),
        ("nodes pub2 pub2", "x.txt:3: 'nodes pub2 pub2' is not 'nodes NAME...' with one to seven"),
        ("group www", "x.txt:3: 'group www' is not 'group NAME RESOURCE..., prefer NODE..."),
        ("group www 192.0.2.1, prefer pub9", "with Nodes of pub2, pub3"),
        ("group www 192.0.2.1, failback soon", "x.txt:3: 'group www 192.0.2.1, failback soon' is not"),
        ("group www worker@owner", "is not a service address, a name, or NAME@everywhere"),
        ("clock pub2 wrong", "x.txt:3: 'clock pub2 wrong' is not 'clock VOTER exact|fast|slow'"),
        ("clock pub9 fast", "x.txt:3: 'clock pub9 fast' is not of a voter (pub2, pub3, mon)"),
        ("cold feet", "x.txt:3: 'cold feet' is not 'cold' alone"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(line, complaint):
    assert complaint in refusal(TOLD.replace("timing fast", line))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "x.txt: missing, expected a sentence that says what the story shows"),
        ("run 1s\n\nrun 1s\n", "x.txt:1: 'run 1s' is not a sentence that says what the story shows"),
        ("It happens.\n", "x.txt: missing, expected a command"),
        ("It happens.\n\nrun 1s\n\ntiming fast\n", "x.txt:5: 'timing fast' is not a command"),
        ("It happens.\n\n----\nnothing\n", "x.txt:3: '----' is not preceded by commands of its own"),
        ("It happens.\n\nrun 1s\n----\na\n----\nb\n", "x.txt:6: '----' is not preceded by commands"),
    ],
)
def test_a_text_that_is_no_story_is_refused(text, complaint):
    assert complaint in refusal(text)


def test_all_lines_that_do_not_fit_are_named_at_once():
    text = TOLD.replace("power-off pub2", "power-of pub2").replace("run 1s", "run 1")
    assert [line.partition(" ")[0] for line in refusal(text).splitlines()] == ["x.txt:6:", "x.txt:7:"]


@pytest.mark.parametrize(
    ("expectation", "truth"),
    [
        ("expect www on pub2", "192.0.2.100/24 of www is answered by pub3, not pub2"),
        ("expect nginx on pub2", "nginx runs on pub3, not pub2"),
        ("expect www stays", "www was not answered by the same host all the time"),
        ("expect gap www below 300ms", "nobody answered for www during 486 ms"),
        ("expect cause www failback", "the last transition of www has the cause node-silent"),
        ("expect pub3 sees pub2 online", "pub3 sees pub2 lost"),
        ("expect cluster ok", "it is at-risk (no other Node can take www)"),
        ("expect order done", "no order was answered"),
        ("expect fact ha.cluster.nodes.online 2 pub3", "pub3 tells 1"),
        ("expect fact ha.cluster.nodes.online 1 pub2", "pub2 tells nothing"),
        ("power-on pub3", "pub3 is on already"),
        ("start pub2", "pub2 is off, or its daemon runs already"),
        ("replay RELEASE pub2 pub3", "pub2 has sent no such RELEASE to pub3"),
    ],
)
def test_an_expectation_that_is_false_ends_the_story_with_what_is_true(expectation, truth):
    with pytest.raises(StoryFailed) as caught:
        play(story(TOLD.replace("expect www on pub3", expectation)))
    assert truth in str(caught.value)
    assert str(caught.value).startswith("x.txt:8: ")


def test_a_planted_bug_ends_the_story_where_the_promise_broke():
    play(story(FORGOTTEN.format(plant="timing lan")))
    broken = r"x.txt:11: SafetyBroken: .*: pub2 and pub3 hold the Lease at the same instant"
    with pytest.raises(StoryFailed, match=broken):
        play(story(FORGOTTEN.format(plant="plant no-abstention")))


def test_a_story_is_rewritten_only_when_asked_and_only_if_its_expectations_hold(tmp_path, capsys):
    path = tmp_path / "x.txt"
    stale = TOLD.replace("490", "500")
    path.write_text(stale)
    assert main(["simulate", "--story", str(path)]) == 1
    assert path.read_text() == stale
    assert main(["simulate", "--story", str(path), "--rewrite"]) == 0
    assert path.read_text() == TOLD
    assert "read the difference before you keep it" in capsys.readouterr().out
    path.write_text(stale.replace("on pub3", "on pub2"))
    assert main(["simulate", "--story", str(path), "--rewrite"]) == 1
    assert "500" in path.read_text()


def test_a_file_that_is_no_story_has_an_exit_code_of_its_own(tmp_path, capsys):
    path = tmp_path / "x.txt"
    path.write_text("It happens.\n\nrun fast\n")
    assert main(["simulate", "--story", str(path)]) == 2
    assert f"{path}:3: 'fast' is not a length of time" in capsys.readouterr().out


def test_a_story_goes_the_same_in_every_process():
    code = (
        "import sys; from ha_monitor.sim.story import *; from ha_monitor.sim.story_run import *;"
        "print(play(read_story(sys.argv[1], 'x')).traces)"
    )
    text = TOLD.replace("power-off pub2", "lose 30% all\nlate 20% 300ms all\nrun 2s\npower-off pub2")
    text = text.replace("expect www on pub3", "run 1s")
    found = {
        subprocess.run(
            [sys.executable, "-c", code, text],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(found) == 1


def test_the_manual_names_every_form_of_a_command():
    manual = Path(__file__, "../../../docs/stories.md").resolve().read_text(encoding="utf-8")
    described = manual.replace("\\|", "|")
    assert [form.usage for form in FORMS if f"`{form.usage}`" not in described] == []
    assert [word for word in SETUP_WORDS if f"`{word}" not in described] == []


def test_every_form_of_a_command_says_what_it_means():
    assert [form.usage for form in FORMS if not form.meaning] == []
    assert len({form.usage for form in FORMS}) == len(FORMS)
