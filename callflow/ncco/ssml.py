"""Layer 4: the texts of ``talk``: plain, or SSML as far as a speech engine that knows none can say it.

``break``, ``p`` and ``s`` become pauses; ``say-as`` spells; ``sub`` is said as its alias; ``lang`` sets the
language. What only changes the voice (``prosody``, ``emphasis``, ``phoneme`` ...) is said in the usual one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from xml.etree import ElementTree

MAX_PAUSE_S = 10.0
MAX_ELEMENTS = 1000
MOST_IN_ONE = 900
"""Characters that are spoken in one go; longer texts are divided between sentences."""

PAUSES = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.75, "x-strong": 1.0}
SENTENCE_S, PARAGRAPH_S = 0.3, 0.6
SPELLED = frozenset({"digits", "characters", "spell-out", "telephone", "verbatim"})
_TIME = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s)\s*")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Said:
    """Words; ``language`` empty: that of the action."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds of nothing."""

    seconds: float


Piece = Said | Pause


def pieces(text: str) -> tuple[tuple[Piece, ...], str]:
    """What is to be said, in order, and what is wrong with the SSML (empty: nothing); then the tags are left
    out.
    """
    if "<" not in text:
        return tuple(_divided([Said(text)])), ""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return _bare(text, "it has a document type")
    try:
        root = ElementTree.fromstring(
            text if text.lstrip().startswith("<speak") else f"<speak>{text}</speak>"
        )
    except ElementTree.ParseError as error:
        return _bare(text, str(error))
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        return _bare(text, f"it has more than {MAX_ELEMENTS} elements")
    return tuple(_divided(_read(root))), ""


def _bare(text: str, why: str) -> tuple[tuple[Piece, ...], str]:
    return tuple(_divided([Said(_TAG.sub(" ", text))])), why


def _read(root: ElementTree.Element) -> list[Piece]:
    """The tree, without recursion: its depth is the document's."""
    found: list[Piece] = []
    todo: list[tuple[ElementTree.Element | Piece, str, bool]] = [(root, "", False)]
    while todo:
        item, language, spelled = todo.pop()
        if not isinstance(item, ElementTree.Element):
            found.append(_spelled(item) if spelled else item)
            continue
        name = item.tag.rpartition("}")[2] if isinstance(item.tag, str) else ""
        if name == "break":
            found.append(Pause(_pause(item)))
            continue
        if name == "sub" and item.get("alias"):
            found.append(Said(str(item.get("alias")), language))
            continue
        if name == "say-as":
            spelled = spelled or item.get("interpret-as", "") in SPELLED
        own = _language(item) or language
        inner: list[tuple[ElementTree.Element | Piece, str, bool]] = [
            (Said(item.text or "", own), own, spelled)
        ]
        for child in item:
            inner += [(child, own, spelled), (Said(child.tail or "", own), own, spelled)]
        if name in ("p", "s"):
            inner.append((Pause(PARAGRAPH_S if name == "p" else SENTENCE_S), own, False))
        todo += reversed(inner)
    return found


def _language(item: ElementTree.Element) -> str:
    return item.get("{http://www.w3.org/XML/1998/namespace}lang", "")


def _spelled(piece: Piece) -> Piece:
    if isinstance(piece, Pause):
        return piece
    return replace(piece, text=" ".join(character for character in piece.text if not character.isspace()))


def _pause(item: ElementTree.Element) -> float:
    said = _TIME.fullmatch(item.get("time", ""))
    if said is None:
        return PAUSES.get(item.get("strength", "medium"), PAUSES["medium"])
    return min(MAX_PAUSE_S, float(said[1]) / (1000 if said[2] == "ms" else 1))


def _divided(found: list[Piece]) -> list[Piece]:
    """Neighbours of one language joined, long ones divided, empty ones left out."""
    joined: list[Piece] = []
    for piece in found:
        if isinstance(piece, Said):
            last = joined[-1] if joined else None
            if isinstance(last, Said) and last.language == piece.language:
                joined[-1] = replace(last, text=f"{last.text} {piece.text}")
                continue
        joined.append(piece)
    parts: list[Piece] = []
    for piece in joined:
        if isinstance(piece, Pause):
            parts.append(piece)
        else:
            parts += [replace(piece, text=part) for part in _short(" ".join(piece.text.split()))]
    return parts


def _short(text: str) -> list[str]:
    parts: list[str] = []
    while len(text) > MOST_IN_ONE:
        cut = max(text.rfind(mark, 0, MOST_IN_ONE) for mark in (". ", "! ", "? ", "; ", ", "))
        cut = cut + 1 if cut > 0 else max(text.rfind(" ", 0, MOST_IN_ONE), 0) or MOST_IN_ONE
        parts.append(text[:cut].strip())
        text = text[cut:].strip()
    return [*parts, text] if text else parts
