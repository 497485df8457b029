"""What is logged stands among the lines of the story, with its time, and never breaks a line."""

from __future__ import annotations

import re

import pytest

from callflow.cli._serve_log import LogLines, logged_to
from callflow.log import logger


@pytest.mark.parametrize(("quiet", "levels"), [(True, ["warning"]), (False, ["info", "warning"])])
def test_lines(quiet: bool, levels: list[str]) -> None:
    lines: list[str] = []
    with logged_to(LogLines(lines.append), quiet=quiet):
        logger.info("a phone\r\n200 OK")
        logger.warning("%s is ignored", "192.0.2.7")
    logger.warning("after the end")
    found = [re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  (\w+) +(.+)", line) for line in lines]
    assert [match and match[1] for match in found] == levels
    assert lines[-1].endswith("192.0.2.7 is ignored") and (quiet or lines[0].endswith("a phone  200 OK"))


def test_a_fault_has_its_traceback_below() -> None:
    lines: list[str] = []
    with logged_to(LogLines(lines.append), quiet=False):
        try:
            raise ValueError("bad\nthing")
        except ValueError:
            logger.exception("an event cannot be told")
    assert lines[0].endswith("error    an event cannot be told")
    assert lines[1].startswith("  Traceback") and "ValueError: bad" in "".join(lines)
