"""Layer 4: TwiML as values: what ``pivot`` reads from a web server's XML. No module, no input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from callflow.errors import InvalidDocument

MAX_VERBS = 200
"""More elements than this are no answer to a call."""

HINT = 'Answer <Response>...</Response>, as XML in UTF-8, with "Content-Type: application/xml".'


@dataclass(frozen=True, slots=True)
class Verb:
    """One element: ``name`` (``Say``), attributes, its text in one line, and the elements inside."""

    name: str
    attributes: Mapping[str, str]
    text: str
    inner: tuple[Verb, ...] = ()

    def seconds(self, name: str, default: float, most: float) -> float:
        """An attribute in seconds, between 0 and ``most``; what is no number is ``default``."""
        return min(most, max(0.0, _number(self.attributes.get(name), default)))

    def count(self, name: str, default: int, most: int) -> int:
        """An attribute that counts, between 0 and ``most``; what is no number is ``default``."""
        return int(min(most, max(0.0, _number(self.attributes.get(name), default))))

    def flag(self, name: str, default: bool) -> bool:
        """An attribute that is true or false."""
        return self.attributes.get(name, str(default)).strip().lower() == "true"


def parse(text: str) -> tuple[Verb, ...]:
    """The elements of ``<Response>``. Raises InvalidDocument for what is no TwiML.

    A document type is refused: with it come entities, which can name files or grow without end.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InvalidDocument("the TwiML has a document type, which is not read", hint=HINT)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InvalidDocument(f"the answer is not XML: {error}", hint=HINT) from error
    if root.tag != "Response":
        raise InvalidDocument(f"the answer's outermost element is <{root.tag}>", hint=HINT)
    if sum(1 for _ in root.iter()) > MAX_VERBS:
        raise InvalidDocument(f"the TwiML has more than {MAX_VERBS} elements", hint="Use Redirect.")
    return tuple(_verb(element) for element in root)


def _verb(element: ElementTree.Element) -> Verb:
    inner = tuple(_flat(each) for each in element)
    return Verb(str(element.tag), dict(element.attrib), _text(element), inner)


def _flat(element: ElementTree.Element) -> Verb:
    """An element inside a verb; nothing of TwiML is nested deeper."""
    return Verb(str(element.tag), dict(element.attrib), _text(element))


def _text(element: ElementTree.Element) -> str:
    """Its own text and that of mark-up inside (SSML), on one line."""
    return " ".join("".join(element.itertext()).split())


def _number(said: str | None, default: float) -> float:
    try:
        number = float(said if said is not None else default)
    except ValueError:
        return default
    return number if number == number and abs(number) < 1e9 else default
