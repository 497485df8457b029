"""Layer 6, ``callflow tune``: what other silence settings and limits would have done to real recordings."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callflow.cli._output import Output, OutputOption, fail, problems_told, show_table, terminal, track

if TYPE_CHECKING:
    from callflow.documents.settings import Settings
    from callflow.tuning.frames import Frames
    from callflow.tuning.grid import Setting
    from callflow.tuning.verdict import Result

SUFFIXES = (".wav", ".mp3", ".ogg", ".flac", ".aiff", ".au")
SHOWN = 12
"""Settings of the table, unless ``--all``."""
COLUMNS = ("detector", "threshold", "final", "initial", "limit", "speech cut off", "silence kept", "ended by")
SETTINGS_A_TASK = 12


def main(
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO...", help="Recordings, or folders of them.")],
    silence_threshold: Annotated[
        str, typer.Option(metavar="VALUES", help="Mean absolute samples: 200 or 100,200 or 50..800.")
    ] = "50..800",
    silence_final_timeout: Annotated[
        str, typer.Option(metavar="VALUES", help="Seconds of silence that end a recording; 0: off.")
    ] = "2..10",
    silence_initial_timeout: Annotated[
        str, typer.Option(metavar="VALUES", help="Seconds without any speech that end it; 0: off.")
    ] = "0",
    detector: Annotated[
        str, typer.Option(metavar="NAMES", help="energy, vad, or both with a comma.")
    ] = "energy,vad",
    max_recording_time_limit: Annotated[
        str | None, typer.Option(metavar="VALUES", help="Seconds; without it what system_config says.")
    ] = None,
    system_config: Annotated[Path | None, typer.Option(metavar="DIR", help="Your system_config.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw where each setting would have ended.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every setting in the table.")] = False,
    jobs: Annotated[int, typer.Option(metavar="N", min=0, help="Processes; 0: one for each core.")] = 0,
    output: OutputOption = Output.text,
) -> None:
    """Replay recordings through the real recorder with each setting; suggest one. Exit code 2: wrong use."""
    from callflow.documents.settings import load_settings
    from callflow.tuning.grid import grid, values

    if plot is not None and plot.suffix.lower() != ".svg":
        fail(f"{plot}: the plot is an SVG", "give a name that ends in .svg")
    with problems_told():
        known = load_settings(system_config)
        limit = max_recording_time_limit or str(known.media.max_recording_time_limit)
        tried = grid(
            values("--silence-threshold", silence_threshold, doubling=True),
            values("--silence-final-timeout", silence_final_timeout),
            values("--silence-initial-timeout", silence_initial_timeout),
            _detectors(detector),
            values("--max-recording-time-limit", limit, doubling=True),
        )
        files = list(_files(audio))
        found = _measure(files, tried, known.media.vad_mode, jobs)
    _tell(found, known, output, everything)
    if plot is not None:
        _plot(found, plot, quiet=output is Output.json)


def _detectors(text: str) -> list[str]:
    found = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in found:
        if name not in ("energy", "vad"):
            fail(f"--detector {name!r} is not known", "energy, vad, or energy,vad")
    return found


def _files(given: Sequence[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
            if not inside:
                fail(f"{path} holds no recordings", f"files that end in {', '.join(SUFFIXES)}")
            yield from inside
        elif path.is_file():
            yield path
        else:
            fail(f"{path} is neither a file nor a folder")


@dataclasses.dataclass(frozen=True)
class Found:
    """All that was measured. ``results``: the best first; ``different``: one of those that end every
    recording at the same moment, and how many they are.
    """

    frames: list[Frames]
    results: list[Result]
    chosen: Result
    different: list[tuple[Result, int]]


def _measure(files: Sequence[Path], tried: Sequence[Setting], vad_mode: int, jobs: int) -> Found:
    """Look at every channel of every file, then replay every file with every setting, on all cores."""
    from callflow.tuning.frames import channels_of, look, together
    from callflow.tuning.replay import Stop, replay_all
    from callflow.tuning.verdict import Result, best, cost, distinct, speech_of

    channels = [channels_of(path)[0] for path in files]
    pieces = [list(tried[at : at + SETTINGS_A_TASK]) for at in range(0, len(tried), SETTINGS_A_TASK)]
    done = track(sum(channels) + len(files) * len(pieces), "replaying")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count() or 1, mp_context=context) as pool:
        looks = [
            [pool.submit(look, path, channel, vad_mode) for channel in range(count)]
            for path, count in zip(files, channels, strict=True)
        ]
        _wait([each for one in looks for each in one], done, 0)
        frames = [together([each.result() for each in one]) for one in looks]
        replays = [[pool.submit(replay_all, one, piece) for piece in pieces] for one in frames]
        _wait([each for one in replays for each in one], done, sum(channels))
        stops: list[list[Stop]] = [[stop for each in one for stop in each.result()] for one in replays]
    speech = [speech_of(one) for one in frames]
    results = [
        Result(
            setting,
            tuple(cost(one, said, ends[at]) for one, said, ends in zip(frames, speech, stops, strict=True)),
        )
        for at, setting in enumerate(tried)
    ]
    chosen = best(results)
    rest = sorted(
        (result for result in results if result is not chosen),
        key=lambda result: (round(result.speech_cut, 1), round(result.silence_kept, 1)),
    )
    return Found(frames, [chosen, *rest], chosen, distinct([chosen, *rest]))


def _wait(work: Sequence[Future[Any]], done: Callable[[int], None], before: int) -> None:
    for count, each in enumerate(as_completed(work), before + 1):
        each.result()
        done(count)


# ---- telling ------------------------------------------------------------------------------------


def _tell(found: Found, known: Settings, output: Output, everything: bool) -> None:
    total = sum(one.seconds for one in found.frames)
    if output is Output.json:
        print(json.dumps(_as_json(found, known), indent=2))
        return
    console = terminal()
    many = f"{len(found.frames)} recording{'s' * (len(found.frames) != 1)}"
    console.print(f"{many}, {_hours(total)} in all, {len(found.results)} settings", soft_wrap=True)
    different = [(result, 1) for result in found.results] if everything else found.different
    shown = different if everything else different[:SHOWN]
    show_table(
        (*COLUMNS, "settings alike"),
        [(*_row(result), str(alike)) for result, alike in shown],
    )
    if len(shown) < len(different):
        console.print(f"and {len(different) - len(shown)} more (--all)")
    console.print()
    for line in advice(found.chosen, known):
        console.print(line, markup=False, soft_wrap=True)


def _row(result: Result) -> tuple[str, ...]:
    setting = result.setting
    hurt = f" in {result.hurt}" if result.hurt else ""
    ends = [
        f"{result.count(reason)} {name}"
        for reason, name in (
            ("silence", "silence"),
            ("no_speech", "no speech"),
            ("time_limit", "limit"),
            ("", "hang-up"),
        )
        if result.count(reason)
    ]
    return (
        setting.detector,
        str(setting.threshold),
        f"{setting.final_s:g} s",
        f"{setting.initial_s:g} s",
        f"{setting.limit_s:g} s",
        f"{result.speech_cut:.1f} s{hurt}",
        f"{result.silence_kept:.1f} s",
        ", ".join(ends),
    )


def advice(chosen: Result, known: Settings) -> Iterator[str]:
    """The suggested setting, and what to write where."""
    setting = chosen.setting
    cut = "cuts off no speech"
    if chosen.hurt:
        cut = f"cuts off {chosen.speech_cut:.1f} s of speech, the least"
    yield (
        f"Suggested: {setting.detector} {setting.threshold}, final {setting.final_s:g} s: {cut}, "
        f"keeps {chosen.silence_kept:.1f} s of silence."
    )
    yield "In the node's data:"
    yield f"  {json.dumps(_data(setting))}"
    change = system_change(setting, known)
    if change:
        yield "In system_config/media.json:"
        yield f"  {json.dumps(change)}"
    else:
        yield "system_config/media.json stays as it is."


def _data(setting: Setting) -> dict[str, Any]:
    data: dict[str, Any] = {"silence_detection": True, "silence_threshold": setting.threshold}
    for key, seconds in (("final", setting.final_s), ("initial", setting.initial_s)):
        if seconds:
            data[f"silence_{key}_timeout"] = (
                int(seconds) if seconds == int(seconds) else round(seconds * 1000)
            )
    return data


def system_change(setting: Setting, known: Settings) -> dict[str, Any]:
    """What of ``system_config/media.json`` must change for the setting."""
    change: dict[str, Any] = {}
    if setting.detector != known.media.silence_detector:
        change["silence_detector"] = setting.detector
    if setting.limit_s != known.media.max_recording_time_limit:
        change["max_recording_time_limit"] = int(setting.limit_s)
    whole = all(seconds == int(seconds) for seconds in (setting.final_s, setting.initial_s))
    wanted = ("auto", "s") if whole else ("ms",)
    if known.media.silence_timeout_unit not in wanted:
        change["silence_timeout_unit"] = wanted[-1]
    return change


def _as_json(found: Found, known: Settings) -> dict[str, Any]:
    return {
        "recordings": [{"name": one.name, "seconds": one.seconds} for one in found.frames],
        "suggested": {
            **dataclasses.asdict(found.chosen.setting),
            "data": _data(found.chosen.setting),
            "system_config": {"media": system_change(found.chosen.setting, known)},
        },
        "results": [
            {
                **dataclasses.asdict(result.setting),
                "speech_cut": result.speech_cut,
                "silence_kept": result.silence_kept,
                "recordings": [dataclasses.asdict(cost) for cost in result.costs],
            }
            for result in found.results
        ],
    }


def _hours(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.1f} s"
    )


def _plot(found: Found, path: Path, *, quiet: bool) -> None:
    from callflow.tuning.chart import chart
    from callflow.tuning.verdict import speech_of

    text = chart(
        [(one, speech_of(one)) for one in found.frames], [one for one, _ in found.different], found.chosen
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    if not quiet:
        print(f"{path}: {len(text.encode())} bytes")
