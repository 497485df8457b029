"""Layer 6, ``callflow draw``: flows and NCCOs as pictures: SVG, Mermaid, text; problems where they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callflow.cli._output import fail, problems_told

if TYPE_CHECKING:
    from callflow.drawing.picture import Picture, Tree

SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".txt": "text"}
FORMATS = ("text", "svg", "mermaid")


def main(
    flows: Annotated[list[Path], typer.Argument(metavar="FLOW...", help="Callflows, bare flows, NCCOs.")],
    out: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FORMAT|FILE", help="text, svg or mermaid; or a file: .svg, .mmd, .txt."
        ),
    ] = "text",
    account: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Account whose document ids flows may name.")
    ] = None,
    system_config: Annotated[Path | None, typer.Option(metavar="DIR", help="Your system_config.")] = None,
    problems: Annotated[
        bool, typer.Option("--problems/--no-problems", help="Show what check finds, in place.")
    ] = True,
) -> None:
    """Exit code 0: drawn (whatever its problems); 2: a file that is no flow."""
    for folder in (account, system_config):
        if folder is not None and not folder.is_dir():
            fail(f"{folder} is not a folder")
    from callflow.drawing.picture import Picture

    with problems_told():
        trees = [_tree(path, account, system_config, problems) for path in flows]
    show(Picture(trees), out)


def show(picture: Picture, out: str) -> None:
    """Print the picture, or write it to a file: what ``out`` says."""
    form, path = target(out)
    if path is None:
        sys.stdout.write(render(picture, form))
    else:
        print(save(picture, out))


def save(picture: Picture, file: str) -> str:
    """Write it to a file of the form that its name says; gives a line that says so."""
    form, path = target(file)
    if path is None:
        fail(f"{file} is a format, not a file", "give a name that ends in .svg, .mmd or .txt")
    text = render(picture, form)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    return f"{path}: {len(text.encode())} bytes"


def target(out: str) -> tuple[str, Path | None]:
    """The format, and the file to write (None: standard output)."""
    if out in FORMATS:
        return out, None
    path = Path(out)
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        fail(f"{out} is neither a format ({', '.join(FORMATS)}) nor a file ending in {', '.join(SUFFIXES)}")
    return form, path


def render(picture: Picture, form: str) -> str:
    """The picture as ``svg``, ``mermaid`` or ``text``."""
    if form == "svg":
        from callflow.drawing.svg import to_svg

        return to_svg(picture)
    if form == "mermaid":
        from callflow.drawing.mermaid import to_mermaid

        return to_mermaid(picture)
    from callflow.drawing.text import to_text

    return to_text(picture)


def _tree(path: Path, account: Path | None, system_config: Path | None, with_problems: bool) -> Tree:
    from callflow.cli.check import surroundings
    from callflow.documents import jsontext
    from callflow.documents.check import check_paths
    from callflow.documents.ncco import recognise
    from callflow.drawing.gather import tree_of
    from callflow.drawing.scripts import tree_of_script

    if not path.is_file():
        fail(f"{path} is not a file", "give a callflow document; several are drawn below one another")
    document = jsontext.read(path).value
    if recognise(document):
        found = check_paths([path], surroundings(system_config), account=account) if with_problems else []
        return tree_of_script(document, flow_id=path.stem, title=path.name, problems=found)
    if not isinstance(document, dict) or not ({"flow", "module"} & document.keys()):
        fail(f"{path} is not a flow", "a callflow has a flow, a bare flow a module; callflow check says more")
    found = check_paths([path], surroundings(system_config), account=account) if with_problems else []
    tree = tree_of(document, flow_id=path.stem, problems=found)
    if tree.title == path.stem and "flow" not in document:
        tree.title = path.name
    return tree
