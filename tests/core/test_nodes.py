import pytest

from ha_monitor.core.nodes import NODE_TABLE, NodeInput
from ha_monitor.model import NodeState


def test_node_table_answers_every_input_in_every_state():
    assert set(NODE_TABLE) == set(NodeState)
    assert {len(row) for row in NODE_TABLE.values()} == {len(NodeInput)}


@pytest.mark.parametrize("state", list(NodeState))
def test_who_is_heard_again_is_online_again_whatever_it_was(state):
    # The Lease says what it may serve; a state that held it back would only lose a candidate.
    assert NODE_TABLE[state][NodeInput.HEARD] is NodeState.ONLINE


@pytest.mark.parametrize("what", [NodeInput.SILENT, NodeInput.GRACE_OVER])
def test_silence_after_a_goodbye_is_no_loss(what):
    assert NODE_TABLE[NodeState.STOPPED][what] is NodeState.STOPPED


def test_nobody_is_lost_without_having_been_suspect_unless_never_heard():
    before_lost = {state for state in NodeState if NODE_TABLE[state][NodeInput.GRACE_OVER] is NodeState.LOST}
    assert before_lost == {NodeState.JOINING, NodeState.SUSPECT, NodeState.LOST}
