"""cluster.toml as a file: missing, too large, no text at all, or anything that TOML can say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ha_monitor.config import load_config, parse_config
from ha_monitor.errors import ConfigErrors


def test_a_missing_file_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ConfigErrors, match=r"cluster\.toml: missing, .*`ha-monitor init`"):
        load_config(tmp_path / "cluster.toml")


def test_a_directory_or_a_flood_in_place_of_the_file_is_told(tmp_path):
    with pytest.raises(ConfigErrors, match="a file that can be read"):
        load_config(tmp_path)
    (tmp_path / "big").write_bytes(b"#" * (1 << 21))
    with pytest.raises(ConfigErrors, match="more than"):
        load_config(tmp_path / "big")


_values = st.recursive(
    st.one_of(
        st.booleans(), st.integers(-5, 99999), st.text(max_size=8), st.sampled_from(["192.0.2.1", "1s"])
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["lan", "vip", "name", "www", "systemd", "nagios"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["cluster", "nodes", "witness", "groups", "publish", "x"]), _values, max_size=6
    )
)
def test_whatever_stands_in_the_file_is_told_and_never_a_traceback(values):
    from ha_monitor.config import Table, _read

    errors = []
    if _read(Table("cluster.toml", values, errors)) is None:
        assert errors


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(raw):
    with pytest.raises(ConfigErrors, match=r"cluster\.toml"):
        parse_config(raw)
