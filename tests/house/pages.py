"""The pages of docs/modules: words by hand, tables of keys and children from the schemas.

``python -m tests.house.pages`` writes the tables and the index anew; a page that is missing is begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from callflow.cli.schema import rows
from callflow.documents import schemas

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "modules"
MARK = "<!-- From the schema, by `make docs`: -->"

CHILDREN = {
    "always": "`_`, always.",
    "never": "None: the walk ends here.",
    "any": "Any key that the text above names; else `_`.",
    "bridge": "Answered: none. Else the hangup cause (`USER_BUSY`), else the status (`sip:486`), else `_`.",
    "causes": "Answered: none. Else the hangup cause (`USER_BUSY`), else the status (`sip:486`); never `_`.",
}
"""``x-children`` in words."""

INDEX = """\
# Modules

A node of a callflow names a module, gives it `data`, and has children under branch keys; `_` is the child
that is taken when nothing else is said. Each module has a page of its own: what it does, an example that a
test runs, its keys and its children. `callflow schema MODULE` prints the keys in a terminal.

True of every module:
- `skip_module: true` passes the node over to `_`.
- `{NAME}` in any string is filled from call, account and `--var NAME=VALUE` before the module sees it.
- A value that cannot be used is replaced by its default, with a notice; the call goes on. Numbers and
  booleans may be strings.
- A module that fails is reported as a notice, and the walk goes on to `_`. No child to go on to: the call is
  hung up.
- When the caller hangs up the walk ends where it is; later nodes do not run.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(schema: Mapping[str, Any]) -> Iterator[str]:
    found = [row for row in rows(schema) if row[0] != "skip_module"]
    if not found:
        yield "No keys of its own."
        return
    yield "| key (* required) | type | default | limits | what |"
    yield "|---|---|---|---|---|"
    for key, *rest in found:
        cells = " | ".join(_cell(text) for text in rest)
        star = " *" if key.endswith(" *") else ""
        yield f"| `{key.removesuffix(' *')}`{star} | {cells} |"


def children_of(schema: Mapping[str, Any]) -> str:
    """``x-children`` in words."""
    rule = schema["x-children"]
    if isinstance(rule, str):
        return CHILDREN[rule]
    keys = ", ".join(f"`{key}`" for key in rule["keys"])
    return f"{keys}, or {rule['also']}." if "also" in rule else f"{keys}."


def generated(module: str) -> str:
    """The part of a module's page that comes from its schema."""
    schema = schemas.module_schema(module)
    return "\n".join(
        [MARK, "", "## Data", "", *_table(schema), "", "## Children", "", children_of(schema), ""]
    )


def page(module: str, words: str) -> str:
    """A whole page; ``words`` is what was written by hand."""
    return f"{words.rstrip()}\n\n{generated(module)}"


def words_of(module: str) -> str:
    """What was written by hand, up to the mark; a title where there is no page yet."""
    path = FOLDER / f"{module}.md"
    if not path.is_file():
        return f"# {module}\n"
    return path.read_text(encoding="utf-8").split(MARK)[0]


def modules() -> tuple[str, ...]:
    """The modules that have pages: all that have code."""
    return tuple(
        name for name in schemas.module_names() if "x-without-code" not in schemas.module_schema(name)
    )


def index() -> str:
    """docs/modules/README.md."""
    lines = [INDEX, "| module | |", "|---|---|"]
    for name in modules():
        says = str(schemas.module_schema(name)["description"])
        lines.append(f"| [{name}]({name}.md) | {_cell(says)} |")
    without = [name for name in schemas.module_names() if name not in modules()]
    if without:
        lines += [
            "",
            "## Without code here",
            "",
            "`check` knows these and their keys; a call passes them over to `_`, with a warning.",
            "",
        ]
        lines += ["| module | why |", "|---|---|"]
        lines += [
            f"| {name} | {_cell(str(schemas.module_schema(name)['x-without-code']))} |" for name in without
        ]
    return "\n".join([*lines, ""])


NCCO = FOLDER.parent / "ncco.md"


def _action(name: str) -> Iterator[str]:
    """An action of NCCO: what it does, its keys; of a list of objects also theirs."""
    schema = schemas.load(f"ncco/{name}")
    yield from [f"### {name}", "", str(schema["description"]), "", *_table(schema), ""]
    for key, part in schema["properties"].items():
        inner = part.get("items", {})
        if inner.get("properties"):
            yield from [f"An entry of `{key}`:", "", *_table(inner), ""]


def ncco_page() -> str:
    """docs/ncco.md: words by hand, actions and their keys from the schemas."""
    words = NCCO.read_text(encoding="utf-8").split(MARK)[0].rstrip()
    names = [name.removeprefix("ncco/") for name in schemas.names() if name.startswith("ncco/")]
    lines = [words, "", MARK, "", "## Actions", "", *(line for name in names for line in _action(name))]
    return "\n".join(lines)


def main() -> None:
    """Write them."""
    NCCO.write_text(ncco_page(), encoding="utf-8")
    for module in modules():
        (FOLDER / f"{module}.md").write_text(page(module, words_of(module)), encoding="utf-8")
    (FOLDER / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
