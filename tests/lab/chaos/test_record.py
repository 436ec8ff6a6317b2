"""What is written down, counted and summed up."""

from ha_monitor.lab.chaos import report
from ha_monitor.lab.chaos.record import Record, played, rounds

SEEN = {"outage_ms": 130, "double_observer_ms": 0.0, "double_kernel_ms": 0.0, "untold": 0}


def write_round(record, *faults, refused="", **seen):
    struck = [{"fault": fault, "host": "pub2", "refused": refused} for fault in faults]
    shape = "single" if len(struck) == 1 else "pair"
    moves = [{"why": "UNEXPECTED"}] if seen.pop("moved", False) else [{"why": "kill at pub2"}]
    record.note(
        "round",
        shape=shape,
        struck=struck,
        lost=[],
        moves=moves,
        unhealthy=[],
        groups={"www": {**SEEN, **seen}},
    )


def test_single_plays_are_counted_over_all_files_and_a_torn_line_is_left_out(tmp_path):
    for name in ("a-1", "b-2"):
        record = Record(tmp_path / f"{name}.jsonl")
        write_round(record, "kill")
        write_round(record, "kill", "stop")
        with open(record.path, "a") as file:
            file.write('{"what": "round", "sha')
    paths = list(tmp_path.glob("*.jsonl"))
    assert played(paths) == {"kill": 2}
    assert len(list(rounds(paths))) == 4


def test_the_sum_tells_what_was_wrong_and_of_which_fault(tmp_path):
    record = Record(tmp_path / "a-1.jsonl")
    write_round(record, "kill")
    write_round(record, "kill", outage_ms=950)
    write_round(record, "stop", double_kernel_ms=4.5, untold=1, moved=True)
    lines = report.text(rounds([record.path])).splitlines()
    row = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    assert row["kill"] == "| kill | 2 | 0 | 540 [130..950] | 0 | 0 | 0 | 0 | 0 |"
    assert row["stop"] == "| stop | 1 | 0 | 130 [130..130] | 0 | 4.5 | 1 | 1 | 0 |"
    assert lines[-1].startswith("3 faults in 3 rounds: double ownership 0 ms by the observer and 4.5 ms by")
