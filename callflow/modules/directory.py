"""Layer 4, module ``directory``: find a person by the letters of the name, and call her.

Letters are the keys that have them (2 is A, B, C). Who is in a directory says each user's ``directories``:
the directory's id with the id of the callflow that reaches the user.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Branch, Continue, Outcome, Stop
from callflow.media.messages import Clip
from callflow.modules._saying import digit_clips

TRIES = 3
LETTERS_S = 5.0
BETWEEN_S = 2.0
MOST_LETTERS = 100
BACK = "0"
"""Pressed alone it leads back: to ``_``."""

CALL_IT, NEXT, AGAIN = "1", "2", "3"

INSTRUCTIONS = {
    "first_name": "dir-enter_person_firstname",
    "last_name": "dir-enter_person_lastname",
    "both": "dir-enter_person_name",
}
KEYS = {
    letter: str(key)
    for key, letters in enumerate(("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz"), start=2)
    for letter in letters
}
"""Letter → the key that has it."""

WITHOUT_ACCENT = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
)
"""Letters that are no letter and an accent."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the directory. ``keys``: what its names are on a phone's keys, by ``search_fields``."""

    user_id: str
    callflow_id: str
    first: str
    last: str
    name_media: str

    def matches(self, digits: str, fields: str) -> bool:
        """Does the name begin so? ``both``: the first name followed by the last, or the other way round."""
        forms = {"first_name": (self.first, self.last), "last_name": (self.last, self.first)}
        wanted = forms if fields == "both" else (fields,)
        return any("".join(on_keys(part) for part in forms[field]).startswith(digits) for field in wanted)


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ask for letters, offer who fits, and go to that person's flow; nobody after three tries: stop."""
    directory_id = str(data.get("id") or "")
    document = call.account.get("directory", directory_id)
    if document is None:
        call.notice(
            "error",
            "CF-DOC-003",
            f"directory: there is no directory {directory_id!r}",
            "The id is a file's name in the account's directories folder, without .json.",
        )
        return Continue(did="found no such directory")
    await call.answer()
    people = people_of(directory_id, str(document["sort_by"]), call)
    if not people:
        await call.prompt("dir-no_results_found")
        return Continue(did="the directory is empty")
    for _ in range(TRIES):
        call.flush_digits()
        digits = await _letters(document, call)
        if digits == BACK:
            return Continue(did="the caller went back")
        if len(digits) < int(document["min_dtmf"]):
            await call.prompt("dir-specify_minimum")
            continue
        found = [person for person in people if person.matches(digits, str(document["search_fields"]))]
        person = await _choose(found, document, call)
        if person is not None:
            return _call(person, call)
    await call.prompt("dir-no_results_found")
    return Stop(did="found nobody")


def people_of(directory_id: str, sort_by: str, call: Call) -> list[Person]:
    """The users of the directory in its order."""
    people: list[Person] = []
    for id, user in call.account.all("user").items():
        listed = user.get("directories")
        flow_id = listed.get(directory_id) if isinstance(listed, Mapping) else None
        if isinstance(flow_id, str) and flow_id:
            media = user.get("media")
            name = media.get("name") if isinstance(media, Mapping) else ""
            first, last = str(user.get("first_name") or ""), str(user.get("last_name") or "")
            people.append(Person(id, flow_id, first, last, str(name or "")))
    by_first = sort_by == "first_name"
    return sorted(
        people,
        key=lambda one: (
            (one.first, one.last, one.user_id) if by_first else (one.last, one.first, one.user_id)
        ),
    )


def on_keys(name: str) -> str:
    """A name as it is pressed: accents fall away, what is no letter, too."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(WITHOUT_ACCENT))
    return "".join(KEYS.get(letter, "") for letter in plain)


async def _letters(document: Mapping[str, Any], call: Call) -> str:
    entered = await call.collect_digits(
        max_digits=int(document["max_dtmf"]) or MOST_LETTERS,
        timeout_s=LETTERS_S,
        interdigit_s=BETWEEN_S,
        terminators="#",
        clips=call.clips.prompt(INSTRUCTIONS[str(document["search_fields"])], call.language),
    )
    return entered.digits


async def _choose(found: Sequence[Person], document: Mapping[str, Any], call: Call) -> Person | None:
    """The person that the caller wants; None: start over."""
    if not found:
        await call.prompt("dir-no_results_found")
        return None
    if len(found) == 1:
        wanted = document["confirm_match"] is not True
        if not wanted:
            wanted = await _key("dir-found", found[0], "dir-confirm_menu", call) == CALL_IT
        return found[0] if wanted else None
    for person in found:
        for _ in range(TRIES):
            key = await _key("dir-result_number", person, "dir-result_menu", call)
            if key == CALL_IT:
                return person
            if key in (NEXT, AGAIN):
                break
            if key:
                await call.prompt("dir-invalid_key")
        if key != NEXT:
            return None
    await call.prompt("dir-no_more_results")
    return None


async def _key(before: str, person: Person, after: str, call: Call) -> str:
    """Say whom to call by which key; the key that is pressed, or ""."""
    clips = (
        *call.clips.prompt(before, call.language),
        *_name(person, call),
        *call.clips.prompt(after, call.language),
    )
    entered = await call.collect_digits(
        max_digits=1, timeout_s=BETWEEN_S, interdigit_s=BETWEEN_S, clips=clips
    )
    return entered.digits


def _name(person: Person, call: Call) -> Sequence[Clip]:
    """The recorded name; without one, the number of the person's callflow."""
    own = call.clips.prompt(person.name_media, call.language) if person.name_media else ()
    if own:
        return own
    numbers = (call.services.callflows().get(person.callflow_id) or {}).get("numbers")
    first = (
        next((number for number in numbers if isinstance(number, str)), "")
        if isinstance(numbers, list)
        else ""
    )
    return digit_clips(first, call)


def _call(person: Person, call: Call) -> Outcome:
    flow = call.find_callflow(person.callflow_id)
    if flow is None:
        call.notice(
            "error",
            "CF-RUN-CALLFLOW",
            f"directory: there is no callflow {person.callflow_id!r} for user {person.user_id!r}",
            "The id is a file's name in the account's callflows folder, without .json.",
        )
        return Continue(did=f"found no callflow for {person.user_id}")
    return Branch(flow=flow, did=f"calls {person.user_id}")
