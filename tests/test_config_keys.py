"""cluster.key: who may read it, what stands in it, and that no secret gets into an error."""

from __future__ import annotations

import os

import pytest

from ha_monitor.config_keys import keys_text, load_keys, parse_keys
from ha_monitor.errors import ConfigErrors

ONE, TWO = "0123456789abcdef" * 4, "fedcba9876543210" * 4


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "cluster.key"
    path.write_text(f"# comment\n2 {TWO}   # new\n\n1 {ONE}\n")
    path.chmod(0o600)
    return path


def test_the_first_line_seals_and_all_are_accepted(key_file):
    keys = load_keys(key_file, owner=os.getuid())
    assert keys.sealing == 2
    assert keys.keys == ((2, bytes.fromhex(TWO)), (1, bytes.fromhex(ONE)))


def test_what_is_written_is_read_back():
    keys = ((3, bytes.fromhex(ONE)), (0, bytes.fromhex(TWO)))
    assert parse_keys(keys_text(keys).encode(), "k").keys == keys


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o666, 0o660])
def test_a_mode_that_lets_others_in_is_refused_with_the_line_to_run(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(ConfigErrors, match=f"'mode 0{mode:o}' is not mode 0600; .*chmod 0600 {key_file}"):
        load_keys(key_file, owner=os.getuid())


def test_the_mode_for_reading_only_is_good(key_file):
    key_file.chmod(0o400)
    assert load_keys(key_file, owner=os.getuid()).sealing == 2


def test_another_owner_is_refused(key_file):
    with pytest.raises(ConfigErrors, match="not owned by root; run: chown root:root"):
        load_keys(key_file, owner=os.getuid() + 1)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ConfigErrors, match=r"missing, expected the cluster's key file; .*ha-monitor init"):
        load_keys(tmp_path / "cluster.key")


def test_a_directory_is_not_a_key_file(tmp_path):
    with pytest.raises(ConfigErrors):
        load_keys(tmp_path, owner=os.getuid())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"1 {ONE}\n1 {TWO}", "line 2: 'id 1' is not an id of its own"),
        (f"1 {ONE}\n2 {ONE}", "line 2: 'id 2' is not a secret of its own"),
        (f"1 {'0' * 64}", "line 1: 'id 1' is not a secret of its own"),
        (f"256 {ONE}", "line 1: '68 characters' is not an id from 0 to 255 and 64 hexadecimal digits"),
        (f"1 {ONE[:-1]}", "line 1: '65 characters' is not an id"),
        (f"{ONE}", "line 1: '64 characters' is not an id"),
        ("# only comments", "'0 keys' is not from 1 to 4 keys"),
        ("\n".join(f"{at} {at:064x}" for at in range(1, 6)), "'5 keys' is not from 1 to 4 keys"),
        ("#" * 5000, "more than 4096 bytes"),
    ],
)
def test_a_mistake_names_its_line_and_shows_no_secret(text, sentence):
    with pytest.raises(ConfigErrors) as caught:
        parse_keys(text.encode(), "cluster.key")
    assert sentence in str(caught.value)
    assert ONE[:16] not in str(caught.value)


def test_secrets_are_not_in_the_repr():
    assert ONE not in repr(parse_keys(f"1 {ONE}".encode(), "k"))
    assert str(bytes.fromhex(ONE)) not in repr(parse_keys(f"1 {ONE}".encode(), "k"))
