"""Contract: how a rate changes while a run goes, as a pure value: pieces of steps, ramps and spikes.

A shape multiplies a scenario's rate r by a piecewise-linear factor f(t). Its arrivals are those of the constant rate,
moved in time: an arrival meant for u at rate r comes at the t with F(t) = u, where F(t) = ∫ f from 0 to t. For a
Poisson process this is exact (the time change of Çinlar, "Introduction to Stochastic Processes", 1975, §4.7), and an
even pace stays even per unit of F. No arrival is drawn and thrown away: same seed, same arrivals.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fixtures.errors import InputError

_NS = 1_000_000_000
_NUMBER = r"\d+(?:\.\d+)?"
_PIECE = re.compile(rf"(?P<seconds>{_NUMBER})s@(?P<begin>{_NUMBER})(?:\.\.(?P<end>{_NUMBER}))?")
# An arrival further away than this never comes in any run; a factor of next to nothing would put one beyond numbers.
_NEVER_SECONDS = 1e9


@dataclass(frozen=True)
class Piece:
    """A stretch of time in which the factor goes evenly from one value to another."""

    seconds: float
    begin: float  # factor at its beginning
    end: float  # and just before its end

    @property
    def area(self) -> float:
        """∫ factor over the piece, in seconds at the plain rate."""
        return self.seconds * (self.begin + self.end) / 2

    def moment(self, area: float) -> float:
        """The seconds into the piece after which `area` of it is passed."""
        slope = (self.end - self.begin) / self.seconds
        # The root of slope/2 t² + begin t = area in the form that does not cancel, also without a slope.
        root = math.sqrt(max(0.0, self.begin**2 + 2 * slope * area))
        return min(self.seconds, 2 * area / (self.begin + root)) if self.begin + root > 0 else 0.0


@dataclass(frozen=True)
class RateShape:
    """Pieces one after the other; after the last one its end factor stays. No pieces: the factor is 1 throughout."""

    pieces: tuple[Piece, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the pieces last together."""
        return sum(piece.seconds for piece in self.pieces)

    def integral(self, seconds: float) -> float:
        """∫ factor from 0 to `seconds`: multiplied by a rate, the expected number of arrivals until then."""
        total = 0.0
        for piece in self.pieces:
            if seconds <= piece.seconds:
                reached = piece.begin + (piece.end - piece.begin) * seconds / piece.seconds
                return total + seconds * (piece.begin + reached) / 2
            total += piece.area
            seconds -= piece.seconds
        return total + seconds * self._last_factor

    def moved(self, offsets_ns: Iterator[int]) -> Iterator[int]:
        """The arrivals of a constant rate, moved to where the shape has them; ends when no more can come."""
        if not self.pieces:
            yield from offsets_ns
            return
        for offset_ns in offsets_ns:
            seconds = self.moment(offset_ns / _NS)
            if seconds is None:
                return
            yield round(seconds * _NS)

    def moment(self, area: float) -> float | None:
        """The inverse of `integral`: the seconds after which it has reached `area`; None when it never does."""
        begin_seconds = passed = 0.0  # of the piece that is looked at
        for piece in self.pieces:
            if area < passed + piece.area:
                return begin_seconds + piece.moment(area - passed)
            passed += piece.area
            begin_seconds += piece.seconds
        left = area - passed
        if left > self._last_factor * _NEVER_SECONDS:
            return None
        return begin_seconds + (left / self._last_factor if left else 0.0)

    @property
    def _last_factor(self) -> float:
        return self.pieces[-1].end if self.pieces else 1.0


def parse_shape(text: str, error: type[Exception] = InputError) -> RateShape:
    """The shape written as `10s@0.5,20s@0.5..2,5s@4`: seconds at a factor, or from one to another; "" is no shape."""
    pieces = tuple(_piece(part.strip(), text, error) for part in text.split(",")) if text.strip() else ()
    if pieces and not any(piece.area for piece in pieces) and not pieces[-1].end:
        raise error(f"{text!r} is a shape without any load; give at least one piece a factor above 0")
    return RateShape(pieces)


def _piece(part: str, text: str, error: type[Exception]) -> Piece:
    match = _PIECE.fullmatch(part)
    if match is None or not float(match["seconds"]):
        raise error(
            f"{part!r} of the shape {text!r} is no piece; write seconds@factor or seconds@from..to, as in "
            "10s@0.5,20s@0.5..2,5s@4"
        )
    begin = float(match["begin"])
    return Piece(float(match["seconds"]), begin, begin if match["end"] is None else float(match["end"]))
