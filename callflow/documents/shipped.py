"""Layer 1: where the files that ship with the package are: in a wheel, or in a checkout.

The one resources function of the project: nothing else looks for schemas, system_config or examples.
"""

from __future__ import annotations

from pathlib import Path

from callflow.errors import MissingDocument

_PACKAGE = Path(__file__).resolve().parent.parent


def _folder(name: str) -> Path:
    in_wheel = _PACKAGE / "_shipped" / name
    if in_wheel.is_dir():
        return in_wheel
    in_checkout = _PACKAGE.parent / name
    if in_checkout.is_dir():
        return in_checkout
    raise MissingDocument(
        f"the package's folder {name} is missing (looked for {in_wheel} and {in_checkout})",
        hint="install callflow-engine again",
    )


def schemas_dir() -> Path:
    """The JSON Schemas. Raises MissingDocument if the installation is damaged."""
    return _folder("schemas")


def system_config_dir() -> Path:
    """The shipped ``system_config`` documents. Raises MissingDocument if the installation is damaged."""
    return _folder("system_config")


def examples_dir() -> Path:
    """Example accounts (``accounts/``), flows (``flows/``) and audio (``audio/``). Raises MissingDocument if
    they are missing.
    """
    return _folder("examples")
