"""Layer 6, ``callflow schema``: the keys of a module or document as a table, or the JSON Schema itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from callflow.cli._output import Output, fail, show_table


def main(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A module or document; without it: the list.")
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.text,
) -> None:
    """Exit code 0; 2: there is no such schema."""
    from callflow.documents import schemas
    from callflow.documents.problems import did_you_mean

    found = _find(name)
    if not found:
        known = {_shown(each) for each in schemas.names()}
        fail(f"there is no schema {name}", did_you_mean(name, known) or "callflow schema lists them")
    if output is Output.json:
        body: object = list(found) if name is None else {each: schemas.load(each) for each in found}
        print(json.dumps(body, ensure_ascii=False, indent=2))
    elif name is None:
        _print_list(found)
    else:
        for each in found:
            _print_table(each, schemas.load(each))


def _find(name: str | None) -> list[str]:
    """The schemas of that name: a module and a document may share one (``menu``); an action of NCCO is
    ``ncco.record``.
    """
    from callflow.documents import schemas

    if name is None:
        return list(schemas.names())
    wanted = name.removesuffix(".json")
    if wanted.startswith("ncco."):
        wanted = wanted.replace(".", "/", 1)
    return [each for each in (f"modules/{wanted}", wanted) if each in schemas.names()]


def _shown(name: str) -> str:
    """A schema's name as it is asked for."""
    folder, _, last = name.rpartition("/")
    return f"ncco.{last}" if folder == "ncco" else last


def rows(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    """Key (a star: required), type, default, limits and description, keys inside objects with dots."""
    required = schema.get("required", ())
    for key, part in schema.get("properties", {}).items():
        yield (
            f"{prefix}{key}{' *' if key in required else ''}",
            _type(part),
            _default(part),
            _limits(part),
            str(part.get("description", part.get("title", ""))),
        )
        if part.get("properties"):
            yield from rows(part, f"{prefix}{key}.")


def _type(part: Mapping[str, Any]) -> str:
    wanted = part.get("type", "node" if "$ref" in part else "")
    name = " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
    items = part.get("items")
    if name == "array" and isinstance(items, dict):
        return f"array of {_type(items)}"
    return f"{name} ({part['x-unit']})" if part.get("x-unit") not in (None, "auto") else name


def _default(part: Mapping[str, Any]) -> str:
    if "default" in part:
        return json.dumps(part["default"], ensure_ascii=False)
    return str(part.get("x-setting", ""))


def _limits(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " | ".join(str(item) for item in part["enum"])
    if "minLength" in part or "maxLength" in part:
        return f"{part.get('minLength', 0)}..{part.get('maxLength', '')} characters"
    low = part.get("minimum", "")
    high = part.get("maximum", part.get("x-maximum-setting", ""))
    if low == "" and high == "":
        return f"over {part['exclusiveMinimum']}" if "exclusiveMinimum" in part else ""
    return f"{low}..{high}"


def _print_list(names: list[str]) -> None:
    from callflow.documents import schemas

    show_table(("schema", "description"), [(name, _about(schemas.load(name))) for name in names])


def _about(schema: Mapping[str, Any]) -> str:
    """What it is for; of a module without code, why it has none."""
    why = schema.get("x-without-code")
    said = str(schema.get("description", ""))
    return f"{said} No code here: {why}" if why else said


def _print_table(name: str, schema: Mapping[str, Any]) -> None:
    kinds = {"modules": "module", "ncco": "NCCO action"}
    kind = kinds.get(name.rpartition("/")[0], "document")
    title = f"{kind} {name.rpartition('/')[2]}: {_about(schema)}"
    columns = ("key (* required)", "type", "default", "limits", "description")
    show_table(columns, rows(schema), title=title)
