"""Layer 1: the sound of many rows while it waits for its time, by place; and a while after it was played."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from callflow.media.rtp.masks import some
from callflow.media.taps import Samples

HOLE = -32768
"""The cell of a sample that has not come. Sound never has it (``filled``)."""


def filled(sound: Samples) -> Samples:
    """Sound without the value that means a hole."""
    return np.maximum(sound, HOLE + 1)


class Ring:
    """Cells of ``size`` places (a power of two) for each row; pieces are at most ``longest`` samples.

    A row's cells are ``longest + size + 2 * longest``: a piece at the ring's end is written twice, so that
    each piece is read and written as one run of memory, whatever its place.
    """

    def __init__(self, rows: int, size: int, longest: int) -> None:
        self._size = size
        self._mask = size - 1
        self.longest = longest
        self._cells: Samples = np.full((rows, size + 3 * longest), HOLE, np.int16)
        self._views: dict[int, Samples] = {}

    def grow(self, rows: int) -> None:
        """More rows; the new ones are holes."""
        cells = np.full((rows, self._cells.shape[1]), HOLE, np.int16)
        cells[: len(self._cells)] = self._cells
        self._cells = cells
        self._views = {}

    def _pieces(self, n: int) -> Samples:
        """View ``[row, place, n]`` of all runs of ``n`` cells."""
        view = self._views.get(n)
        if view is None:
            rows, width = self._cells.shape
            row, cell = self._cells.strides
            view = as_strided(self._cells, (rows, width - n + 1, n), (row, cell, cell))
            if len(self._views) > 64:
                self._views.clear()
            self._views[n] = view
        return view

    def read(self, rows: NDArray[np.intp], places: NDArray[np.int64], n: int) -> Samples:
        """``[K, n]``: a copy of the cells from each row's place on; ``n`` at most ``longest``."""
        copy: Samples = self._pieces(n)[rows, (places & self._mask) + self.longest]
        return copy

    def write(self, rows: NDArray[np.intp], places: NDArray[np.int64], sound: Samples) -> None:
        """Put ``sound`` (``[K, n]``) there. Of the same row and place the last one stays."""
        pieces = self._pieces(sound.shape[1])
        at = (places & self._mask) + self.longest
        pieces[rows, at] = sound
        for edge, shift in self._edges(at, sound.shape[1]):
            pieces[rows[edge], at[edge] + shift] = sound[edge]

    def clear(self, rows: NDArray[np.intp], places: NDArray[np.int64], n: int) -> None:
        """Make holes of ``n`` cells (at most ``longest``)."""
        pieces = self._pieces(n)
        at = (places & self._mask) + self.longest
        pieces[rows, at] = HOLE
        for edge, shift in self._edges(at, n):
            pieces[rows[edge], at[edge] + shift] = HOLE

    def _edges(self, at: NDArray[np.int64], n: int) -> list[tuple[NDArray[np.bool_], int]]:
        """Which pieces are to be written a second time, and how far from the first."""
        head, tail = at < 2 * self.longest, at > self.longest + self._size - n
        return [(edge, by) for edge, by in ((head, self._size), (tail, -self._size)) if some(edge)]

    def reset(self, row: int) -> None:
        """All holes."""
        self._cells[row] = HOLE

    def export(self, row: int) -> bytes:
        """All cells of a row."""
        cells: Samples = self._cells[row]
        return cells.tobytes()

    def adopt(self, row: int, cells: bytes) -> None:
        """What ``export`` gave."""
        self._cells[row] = np.frombuffer(cells, np.int16)
