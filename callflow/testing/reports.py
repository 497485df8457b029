"""Layer 6: results of scenarios for machines: TAP (version 13) and JUnit XML. Values in, text out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from callflow.testing.scenarios import Judged

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_tap(results: Sequence[Judged]) -> str:
    """A line a scenario; what failed, and the way of the call, as diagnostics below it."""
    lines = ["TAP version 13", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        name = re.sub(r"[#\r\n]", " ", result.name)
        lines.append(f"{'ok' if result.passed else 'not ok'} {number} - {name}")
        if not result.passed:
            lines += [f"# {line}" for line in why(result).splitlines()]
    return "\n".join(lines) + "\n"


def to_junit(results: Sequence[Judged], name: str = "callflow test") -> str:
    """One suite: a test case a scenario (class: its folder). ``failure``: an expectation that did not hold;
    ``error``: the scenario could not be played.
    """
    failures = sum(1 for one in results if one.failed and not one.fault)
    errors = sum(1 for one in results if one.fault)
    counts = {"tests": str(len(results)), "failures": str(failures), "errors": str(errors)}
    seconds = f"{sum(one.seconds for one in results):.3f}"
    root = ET.Element("testsuites", {"name": name, **counts, "time": seconds})
    suite = ET.SubElement(root, "testsuite", {"name": name, **counts, "skipped": "0", "time": seconds})
    for one in results:
        place = {"classname": _clean(one.path.parent.as_posix()), "name": _clean(one.name)}
        case = ET.SubElement(suite, "testcase", {**place, "time": f"{one.seconds:.3f}"})
        if one.passed:
            continue
        kind = "error" if one.fault else "failure"
        message = one.fault or "; ".join(str(check).partition("\n")[0] for check in one.failed)
        found = ET.SubElement(case, kind, {"message": _clean(message), "type": kind})
        found.text = _clean(why(one))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def why(result: Judged) -> str:
    """What was expected, what came, and the way that each call took."""
    lines = [result.fault] if result.fault else []
    for check in result.failed:
        lines += [f"{check.what}", f"  expected  {check.expected}", f"  came      {_indented(check.came)}"]
    for picture in result.pictures:
        lines += ["", picture.rstrip("\n")]
    return "\n".join(lines)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _clean(text: str) -> str:
    """What XML 1.0 can hold."""
    return _NOT_XML.sub("?", text)
