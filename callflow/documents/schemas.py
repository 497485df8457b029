"""Layer 1: the JSON Schemas as data: the one place where keys, types, limits and defaults come from.

Keywords of our own in them (validators ignore them):

``x-document``         the string is the id of a document of this kind
``x-member``           the object's ``id`` is a document of the kind that this key of it says
``x-members``          the object's keys are ids of documents of the kind that this key of each value says
``x-url``              it is a url: ``deliver`` (for uploads), ``fetch``, ``fetch-if-url`` (else an id)
``x-regex``            it is a regular expression
``x-network``          it is a network (CIDR)
``x-node``             the object is a node of a flow
``x-unit``             unit of the number
``x-setting``          the system_config setting that decides where the key is absent
``x-maximum-setting``  the system_config setting that is the key's largest value
``x-judged-by``        run-time reading leaves the value to that file
``x-bad-value``        ``keep``: run-time reading keeps a bad value, the module must judge it
``x-children``         when its children run: ``always``, ``bridge`` (not if answered), ``any``, ``never``,
                       ``causes`` (as ``bridge``, but never ``_``); or the ``keys`` it branches on, a
                       ``pattern`` of further ones and ``also``, that pattern in words
``x-without-code``     why this module of Kazoo's has no code here: it is passed over to ``_``
``x-expected``         groups of keys: one of each should be there
``x-required-one``     groups of keys: one of each must be there
``x-not-used-here``    Kazoo's settings that are known and have no effect
``x-no-effect``        the same for one key; the text says what to do instead
``x-done-otherwise``   a key that Kazoo follows and this engine does not; the text says what happens here
``x-one``              the list has one entry, which may stand alone: with a warning (``list``), or not
                       (``either``)
``x-aliases``          other names of keys, read with a warning
``x-loose-values``     values beyond ``enum`` that are read as the default, with a warning
``x-clamp``            a number out of range is brought into it, with a warning
``x-deprecated``       what has taken the key's place
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from callflow.documents.judging import KEYWORDS
from callflow.documents.shipped import schemas_dir
from callflow.errors import MissingDocument

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = dict[str, Any]

SETTINGS_DOCUMENTS = ("media", "callflow", "delivery", "sip", "smtp_client", "ncco")
_NODE = "node.json"


@cache
def names() -> tuple[str, ...]:
    """All schemas: ``callflow``, ``modules/record_call``, ``system_config.media`` ..., sorted."""
    folder = schemas_dir()
    found = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json"))
    return tuple(sorted(found))


@cache
def load(name: str) -> Schema:
    """The schema ``name`` with references to other files put in place (but for nodes, which hold nodes).

    Callers share it: read only. Raises MissingDocument.
    """
    schema = _read(name)
    inlined = _inline(schema, name)
    assert isinstance(inlined, dict)
    return inlined


@cache
def _read(name: str) -> Schema:
    path = schemas_dir() / f"{name}.json"
    try:
        schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingDocument(f"there is no schema {name}", hint="callflow schema lists them") from None
    return schema


def _inline(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_inline(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if not isinstance(reference, str) or reference == "#" or reference.partition("#")[0].endswith(_NODE):
        return {key: _inline(item, name) for key, item in value.items()}
    file, _, pointer = reference.partition("#")
    folder = name.rpartition("/")[0]
    target = _part(f"{folder}/{file}".lstrip("/").removesuffix(".json") if file else name, pointer)
    siblings = {key: _inline(item, name) for key, item in value.items() if key != "$ref"}
    return {**target, **siblings}


@cache
def _part(name: str, pointer: str) -> Schema:
    """What a reference points to in the schema ``name``; whoever refers to it shares it."""
    part: Any = _read(name)
    for key in pointer.strip("/").split("/") if pointer else ():
        part = part[key]
    inlined = _inline(part, name)
    assert isinstance(inlined, dict)
    return inlined


@cache
def module_names() -> tuple[str, ...]:
    """All modules of kazoo.md 3, with or without code here, sorted."""
    return tuple(name.removeprefix("modules/") for name in names() if name.startswith("modules/"))


def module_schema(name: str) -> Schema:
    """The schema of a module's ``data``. Raises MissingDocument."""
    return load(f"modules/{name}")


@cache
def other_modules() -> Mapping[str, str]:
    """The modules that have no code here, and why."""
    schemas = ((name, _read(f"modules/{name}")) for name in module_names())
    return {name: str(schema["x-without-code"]) for name, schema in schemas if "x-without-code" in schema}


@cache
def known_kazoo_modules() -> frozenset[str]:
    """``module_names`` as a set."""
    return frozenset(module_names())


@cache
def metaflow_modules() -> frozenset[str]:
    """Modules of Kazoo's metaflows: actions on digits in mid-call (kazoo.md 2.6)."""
    return frozenset(_read("node")["x-metaflow-modules"])


@cache
def named_elsewhere() -> Mapping[str, str]:
    """Module names found in user interfaces and documentation, and the module that is meant."""
    meant: dict[str, str] = _read("node")["x-named-elsewhere"]
    return meant


def defaults_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of a schema's properties; nested objects too, where they have one. A fresh copy."""
    found: dict[str, Any] = {}
    for key, part in schema.get("properties", {}).items():
        if "default" not in part:
            continue
        inner = defaults_of(part)
        found[key] = {**copy.deepcopy(part["default"]), **inner} if inner else copy.deepcopy(part["default"])
    return found


@cache
def is_simple(name: str) -> bool:
    """Whether ``judging.fault`` knows all keywords of the schema, so that no full validator is needed."""
    return _keywords(_without_nodes(load(name))) <= KEYWORDS


def _keywords(schema: Any) -> set[str]:
    """The keywords of a schema and of the schemas inside."""
    if not isinstance(schema, dict):
        return set()
    found = {key for key in schema if not key.startswith("x-")}
    for part in schema.get("properties", {}).values():
        found |= _keywords(part)
    for key in ("items", "additionalProperties"):
        found |= _keywords(schema.get(key))
    return found


@cache
def validator(name: str) -> Validator:
    """A compiled validator of schema ``name``; nodes inside are left to the reader of flows."""
    from jsonschema import Draft202012Validator  # costs a tenth of a second: only who validates pays

    return Draft202012Validator(_without_nodes(load(name)))


def _without_nodes(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nodes(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nodes(item) for key, item in value.items() if key != "$ref"}
    return value
