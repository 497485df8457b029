"""Layer 1: is this one value what its schema says? For small values at run time, without a validator.

Knows the keywords that schemas of keys use here; ``tests/documents`` holds it against jsonschema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_ABOUT = {"$schema", "title", "description", "default", "examples", "readOnly", "writeOnly"}
_RULES = {"type", "enum", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum"}
_INNER = {"minItems", "maxItems", "uniqueItems", "items", "required", "properties", "additionalProperties"}
KEYWORDS = frozenset(_ABOUT | _RULES | _INNER)
"""What ``fault`` understands, and what needs no judging."""
ARTICLES = {
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "integer": "a whole number",
    "number": "a number",
}


def fault(value: Any, schema: Mapping[str, Any]) -> str:
    """Why ``value`` does not fit (``is not a whole number``), or an empty string if it does."""
    wanted = schema.get("type")
    types = (wanted,) if isinstance(wanted, str) else tuple(wanted or ())
    if types and not any(_is(value, name) for name in types):
        return "is not " + " or ".join(ARTICLES[name] for name in types)
    if "enum" in schema and not any(_same(value, item) for item in schema["enum"]):
        return "is not one of " + ", ".join(str(item) for item in schema["enum"])
    if isinstance(value, str):
        return _text(value, schema)
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return _number(value, schema)
    if isinstance(value, list):
        return _list(value, schema)
    if isinstance(value, dict):
        return _object(value, schema)
    return ""


def is_type(value: Any, name: str) -> bool:
    """Whether ``value`` has the JSON Schema type ``name``."""
    return _is(value, name)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _same(value: Any, other: Any) -> bool:
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _text(value: str, schema: Mapping[str, Any]) -> str:
    if len(value) < schema.get("minLength", 0):
        return "is empty" if not value else f"is shorter than {schema['minLength']} characters"
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        return f"is longer than {schema['maxLength']} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"does not match {schema['pattern']}"
    return ""


def _number(value: float, schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and value < schema["minimum"]:
        return f"is under {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"is over {schema['maximum']}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        return f"is not over {schema['exclusiveMinimum']}"
    return ""


def _list(value: list[Any], schema: Mapping[str, Any]) -> str:
    items = schema.get("items")
    if isinstance(items, dict):
        for index, item in enumerate(value):
            why = fault(item, items)
            if why:
                return f"has an item ({index}) that {why}"
    if len(value) < schema.get("minItems", 0):
        return "is empty" if not value else f"has fewer than {schema['minItems']} items"
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        return f"has more than {schema['maxItems']} items"
    if schema.get("uniqueItems") and len({_key(item) for item in value}) < len(value):
        return "holds an item twice"
    return ""


def _key(item: Any) -> object:
    """The same for items that are equal: a list may be as long as a body may be."""
    if isinstance(item, dict | list):
        return dict, json.dumps(item, sort_keys=True)
    return isinstance(item, bool), item


def _object(value: dict[str, Any], schema: Mapping[str, Any]) -> str:
    for key in schema.get("required", ()):
        if key not in value:
            return f"has no {key}"
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    for key, item in value.items():
        if rest is False and key not in properties:
            return f"has an unknown key ({key})"
        part = properties.get(key, rest)
        why = fault(item, part) if isinstance(part, dict) else ""
        if why:
            return f"has a key ({key}) that {why}"
    return ""
