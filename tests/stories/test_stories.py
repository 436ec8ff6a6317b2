"""Every story in this directory goes as it is told.

``ha-monitor simulate --story FILE --rewrite`` tells one anew.
"""

from pathlib import Path

import pytest

from ha_monitor.sim.story import read_story
from ha_monitor.sim.story_run import differences, play

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.txt"))
AS_MANY_AS_THE_BEST_OF_THE_FIELD = 144


def test_there_are_as_many_stories_as_the_best_of_the_field_has():
    assert len(FILES) >= AS_MANY_AS_THE_BEST_OF_THE_FIELD


def test_every_story_shows_something_else():
    intents = [read_story(path.read_text(encoding="utf-8"), path.name).intent for path in FILES]
    assert len(set(intents)) == len(intents)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE).with_suffix("")))
def test_story_goes_as_told(path):
    story = read_story(path.read_text(encoding="utf-8"), str(path.relative_to(HERE)))
    assert any(line.words[0] == "expect" for block in story.blocks for line in block.commands)
    assert "\n".join(differences(story, play(story))) == ""
