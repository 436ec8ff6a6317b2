"""The packed database is used as long as it is whole, and made anew otherwise."""

import os

import pytest

from ha_monitor.lab.stack import database


@pytest.fixture
def built(monkeypatch):
    """Builds that happened; a small file stands for the cluster."""
    builds = []

    def build(archive, _cache_dir):
        builds.append(archive)
        archive.write_bytes(os.urandom(5000))
        archive.with_suffix(".tar.blake2b").write_text(database._digest_of(archive) + "\n")

    monkeypatch.setattr(database, "_build", build)
    monkeypatch.setattr(database, "_versions", lambda: "1")
    return builds


def test_whole_cluster_is_packed_once(built, tmp_path):
    assert database.cached_cluster(tmp_path) == database.cached_cluster(tmp_path)
    assert len(built) == 1


def test_damaged_cluster_is_made_anew(built, tmp_path):
    archive = database.cached_cluster(tmp_path)
    content = bytearray(archive.read_bytes())
    content[2500] ^= 1
    archive.write_bytes(content)
    database.cached_cluster(tmp_path)
    assert len(built) == 2


def test_cluster_of_other_versions_is_removed_and_made_anew(built, tmp_path, monkeypatch):
    old = database.cached_cluster(tmp_path)
    monkeypatch.setattr(database, "_versions", lambda: "2")
    new = database.cached_cluster(tmp_path)
    assert new != old
    assert not old.exists()


@pytest.mark.stack
def test_real_cluster_is_loaded_and_packed_whole(stack_lab, tmp_path):
    archive = database.cached_cluster(tmp_path)
    assert archive.stat().st_size > 100_000_000
    assert database._is_whole(archive)
