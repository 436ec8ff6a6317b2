"""The reader of the README's commands, without any host."""

import pytest

from tests.booted.hosts import REPOSITORY
from tests.booted.readme import Block, blocks_of, section_of

TEXT = """# Title

## Before
```sh a
no
```

## Install
**1. One**, on both:

```sh a b
echo one
echo two
```

```toml
x = 1
```

**2. Two**:

```sh b
echo three
```

## After
```sh b
no
```
"""


def test_blocks_of_a_section_keep_order_hosts_and_step():
    assert blocks_of(section_of(TEXT, "Install")) == [
        Block(1, ("a", "b"), "echo one\necho two\n"),
        Block(2, ("b",), "echo three\n"),
    ]


def test_block_without_a_host_is_found():
    with pytest.raises(ValueError, match="names no host"):
        blocks_of("```sh\necho\n```\n")


def test_section_that_is_missing_is_found():
    with pytest.raises(AssertionError, match="Uninstall"):
        section_of(TEXT, "Uninstall")


def test_readme_installs_starts_and_looks():
    blocks = blocks_of(section_of((REPOSITORY / "README.md").read_text(), "Install on two servers"))
    script = "".join(block.script for block in blocks)
    for words in ("pip install .", "ha-monitor init", "export systemd", "enable --now ha-monitor", "status"):
        assert words in script
    assert {host for block in blocks for host in block.hosts} == {"pub2", "pub3", "mon"}
