"""Layer 6: ``check --fix``: what is mended, told line by line or as a diff, and written."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from callflow.cli._output import shown, terminal
from callflow.errors import DocumentError

if TYPE_CHECKING:
    from callflow.documents.check import Checker
    from callflow.documents.check_fix import Fixed


def fix_all(paths: Sequence[Path], checker: Checker, *, write: bool) -> tuple[list[Fixed], list[str]]:
    """What is mended in each file (written only if ``write``), and what went wrong with others."""
    from callflow.documents import check_fix

    mended: list[Fixed] = []
    failed: list[str] = []
    for path in paths:
        try:
            fixed = check_fix.fix_file(path, checker)
            if fixed is not None and write:
                check_fix.write(fixed)
        except DocumentError as error:
            failed.append(f"{error}" + (f"; {error.hint}" if error.hint else ""))
            continue
        if fixed is not None:
            mended.append(fixed)
    return mended, failed


def lines_of(mended: Sequence[Fixed], *, written: bool) -> Iterator[str]:
    """A line a change: its place in the file as it was, what was changed, what that means at run time."""
    for fixed in mended:
        for change in fixed.changes:
            place = f"{fixed.path}:{change.line}:{change.column}"
            did = "mended" if written else "would mend"
            yield f"{place}  {change.code}  {did}: {change.what} ({change.effect})"


def diff_of(fixed: Fixed) -> str:
    """A unified diff, as ``patch`` and ``git apply`` read it."""
    before, after = (side.decode("utf-8").splitlines(keepends=True) for side in (fixed.before, fixed.after))
    name = fixed.path.as_posix()
    lines = difflib.unified_diff(
        before, after, f"a/{name}".replace("//", "/"), f"b/{name}".replace("//", "/")
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def as_json(mended: Sequence[Fixed]) -> list[dict[str, object]]:
    """The changes as ``-o json`` shows them."""
    return [
        {
            "file": str(fixed.path),
            "line": change.line,
            "column": change.column,
            "code": change.code,
            "what": change.what,
            "effect": change.effect,
        }
        for fixed in mended
        for change in fixed.changes
    ]


def tell(mended: Sequence[Fixed], failed: Sequence[str], *, written: bool) -> None:
    """Print the changes, and what could not be written; a dry run shows its diff as well."""
    console = terminal()
    for line in lines_of(mended, written=written):
        console.print(shown(line), markup=False, soft_wrap=True, style="green")
    if not written:
        show_diff(mended)
    for message in failed:
        terminal(stderr=True).print(f"callflow check: {message}", style="red", markup=False, soft_wrap=True)


def show_diff(mended: Sequence[Fixed]) -> None:
    """All changes as one unified diff."""
    for fixed in mended:
        print(diff_of(fixed), end="")
