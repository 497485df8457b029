"""Layer 6, ``callflow transcribe``: write down what is said in an audio file: a way to try a recogniser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callflow.cli._output import Output, OutputOption, fail, problems_told, show_json

SHOWN = "%9.2f %9.2f %6.2f  %s"


def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="WAV, MP3, OGG or FLAC.")],
    transcriber: Annotated[
        str, typer.Option("--transcriber", help="pocketsphinx, vosk, faster-whisper, or yours.")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="The folder of its model.")] = "",
    language: Annotated[str, typer.Option("--language", help="As en-US.")] = "en-US",
    hint: Annotated[list[str] | None, typer.Option("--hint", help="Words to expect; more than once.")] = None,
    grammar: Annotated[
        Path | None, typer.Option("--grammar", help="A JSGF grammar: all that can be said.")
    ] = None,
    limit: Annotated[float, typer.Option("--limit", help="Seconds after which it is given up.")] = 3600.0,
    system_config: Annotated[Path | None, typer.Option("--system-config", help="Your system_config.")] = None,
    output: OutputOption = Output.text,
) -> None:
    """Print each word with when it begins and ends, in seconds, and how sure the recogniser is (0 to 1).

    With -o json the document that a transcription_url gives. Without options: ncco.transcription. Exit code
    2: it cannot be transcribed.
    """
    from callflow.documents.settings import load_settings
    from callflow.ids import Ids
    from callflow.media.transcribing.helper import Helper
    from callflow.media.transcribing.interface import Recogniser, Request
    from callflow.media.transcribing.paper import document

    if not file.is_file():
        fail(f"there is no file {file}")
    with problems_told():
        settings = load_settings(system_config).ncco.transcription
        name = transcriber or settings.transcriber
        where = model or (settings.model if name == settings.transcriber else "")
        asked = Request(language, tuple(hint or ()), _text(grammar), settings.options)
        helper = Helper()
        try:
            heard = helper.transcribe(file.absolute(), asked, Recogniser(name, where), limit_s=limit)
        finally:
            helper.close()
    if output is Output.json:
        show_json(document(heard, Ids().hex32()[:24]))
        return
    for number, words in enumerate(heard.channels):
        if len(heard.channels) > 1:
            print(f"channel {number}")
        for word in words:
            print(SHOWN % (word.start, word.end, word.confidence, word.text))
        if not words:
            print("  no words")


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        fail(f"{path} cannot be read: {error}")
