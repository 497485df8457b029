"""Layer 1: numbers that a regular expression fits, made from the expression itself. Pure and bounded.

They show by example what a pattern does; all of them together are the whole language only where
``Samples.complete`` says so. What cannot be read this way (look-around, back references) gives no numbers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from re import _constants as codes  # type: ignore[attr-defined, unused-ignore]
from re import _parser  # type: ignore[attr-defined, unused-ignore]
from typing import Any, NamedTuple

from callflow.documents.patterns import compile_pattern, python_syntax

DIALLED = "0123456789*#+"
MOST = 64
"""Samples of one pattern."""
LONGEST = 16
"""Characters of one sample: an expression that backtracks for ever still has an end at this length."""
_COUNTS = (0, 1, 2, 3, 4, 7, 10, 11)
"""How often something without a limit is repeated: extensions and numbers have such lengths."""
_MANY = 12
_NOT_MADE = "no numbers are made from such a part"


class Samples(NamedTuple):
    """``texts``: numbers that the pattern fits. ``complete``: there are no others."""

    texts: tuple[str, ...]
    complete: bool


def samples_of(pattern: str) -> Samples:
    """Numbers that ``pattern`` (as in a callflow's ``patterns``) is found in; none if it cannot be read."""
    try:
        compiled = compile_pattern(pattern)
        parsed = _parser.parse(python_syntax(pattern))
        texts, complete = _sequence(list(parsed))
    except (ValueError, re.error, RecursionError, OverflowError):
        return Samples((), False)
    anchored = len(parsed) > 1 and parsed[0] == (codes.AT, codes.AT_BEGINNING) and _at_end(parsed[-1])
    wider = [] if anchored else [f"{text}1" for text in texts[:4]] + [f"1{text}" for text in texts[:4]]
    fitting = [text for text in (*texts, *wider) if 0 < len(text) <= LONGEST and compiled.finds(text)]
    found = tuple(dict.fromkeys(fitting))
    return Samples(
        found[:MOST], complete and anchored and len(found) <= MOST and len(found) == len(set(texts))
    )


def _at_end(item: Any) -> bool:
    return item in ((codes.AT, codes.AT_END), (codes.AT, codes.AT_END_STRING))


def _sequence(items: Sequence[Any]) -> tuple[list[str], bool]:
    """Texts of parts one after the other: all combinations, or each choice of each part at least once."""
    options: list[list[str]] = []
    complete = True
    for item in items:
        texts, whole = _part(item)
        options.append(texts)
        complete = complete and whole
    return _combined(options, complete)


def _combined(options: Sequence[Sequence[str]], complete: bool) -> tuple[list[str], bool]:
    total = 1
    for texts in options:
        total *= len(texts)
    if total <= MOST:
        return _unique("".join(one) for one in itertools.product(*options)), complete
    first = [texts[0] for texts in options]
    found = ["".join(first)]
    for index, texts in enumerate(options):
        found += ["".join([*first[:index], text, *first[index + 1 :]]) for text in texts[1:]]
    for turn in range(1, max(len(texts) for texts in options)):
        found.append("".join(texts[turn % len(texts)] for texts in options))
        found.append("".join(texts[(turn + at) % len(texts)] for at, texts in enumerate(options)))
    return _spread(_unique(found)), False


def _spread(texts: list[str]) -> list[str]:
    """Not more than a few hundred of them, from everywhere in the list."""
    step = max(1, len(texts) // (4 * MOST))
    return texts[::step]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _part(item: Any) -> tuple[list[str], bool]:
    kind, value = item
    if kind is codes.LITERAL:
        return [chr(value)], True
    if kind is codes.AT:
        return [""], True
    if kind is codes.ANY:
        return list(DIALLED), False
    if kind is codes.NOT_LITERAL:
        return [each for each in DIALLED if ord(each) != value], False
    if kind is codes.IN:
        return _members(value)
    if kind is codes.SUBPATTERN:
        return _sequence(list(value[3]))
    if kind is codes.BRANCH:
        parts = [_sequence(list(branch)) for branch in value[1]]
        texts = _unique(itertools.chain.from_iterable(texts for texts, _ in parts))
        return _spread(texts), all(whole for _, whole in parts)
    if kind in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return _repeated(*value)
    raise ValueError(_NOT_MADE)


def _repeated(least: int, most: Any, inner: Any) -> tuple[list[str], bool]:
    if least > LONGEST:
        raise ValueError(_NOT_MADE)
    top = LONGEST if most is codes.MAXREPEAT else min(int(most), LONGEST)
    counts = [
        count for count in range(least, top + 1) if count in (least, top, least + 1) or count in _COUNTS
    ]
    if most is codes.MAXREPEAT:
        counts = [count for count in counts if count <= max(least + 1, _COUNTS[-1])]
    texts, complete = _sequence(list(inner))
    complete = complete and most is not codes.MAXREPEAT and len(counts) == int(most) - least + 1
    found: list[str] = []
    for count in counts:
        several, whole = _combined([texts] * count, True)
        complete = complete and whole
        found += several[:_MANY] if len(counts) > 2 and not whole else several
    return _unique(found), complete


def _members(items: Sequence[Any]) -> tuple[list[str], bool]:
    """What of a class can be dialled; a class without any such character: its own."""
    pattern = _class(items)
    found = [each for each in DIALLED if pattern(each)]
    if found:
        return found, True
    own = [chr(value) for kind, value in items if kind is codes.LITERAL]
    own += [chr(value[0]) for kind, value in items if kind is codes.RANGE]
    if not own:
        raise ValueError(_NOT_MADE)
    return own[:_MANY], False


def _class(items: Sequence[Any]) -> Any:
    negated = bool(items) and items[0][0] is codes.NEGATE

    def holds(character: str) -> bool:
        inside = False
        for kind, value in items:
            if kind is codes.LITERAL:
                inside = inside or ord(character) == value
            elif kind is codes.RANGE:
                inside = inside or value[0] <= ord(character) <= value[1]
            elif kind is codes.CATEGORY:
                inside = inside or _in_category(character, value)
        return inside != negated

    return holds


def _in_category(character: str, category: Any) -> bool:
    digit = character.isdigit()
    return {
        codes.CATEGORY_DIGIT: digit,
        codes.CATEGORY_NOT_DIGIT: not digit,
        codes.CATEGORY_WORD: digit,
        codes.CATEGORY_NOT_WORD: not digit,
        codes.CATEGORY_SPACE: False,
        codes.CATEGORY_NOT_SPACE: True,
    }.get(category, False)
