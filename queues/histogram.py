"""Times counted in fixed buckets, the same everywhere: what was counted apart can be added up, and a percentile is
always one of the sum (percentiles themselves cannot be added).

Each doubling of the time has eight buckets, so what a bucket stands for (its middle) is off by at most `ERROR` of the
true time, or 1/32 ms below one millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: How far a percentile may be off, as a share of it.
ERROR = 1 / 16
UNITS_PER_S = 16_000
_STEPS = 16
#: 50 days; what took longer is counted as this.
_LARGEST = 2**36 - 1
MOST_BUCKETS = 272

#: Bucket → how many.
Histogram = dict[int, int]


def bucket(seconds: float) -> int:
    """The bucket of a time; a negative one, which two clocks may make, counts as nought."""
    units = int(seconds * UNITS_PER_S)
    if units < _STEPS:
        return units if units > 0 else 0
    if units > _LARGEST:
        units = _LARGEST
    shift = units.bit_length() - 4
    return (shift << 3) + (units >> shift)


def middle_s(index: int) -> float:
    """The time in seconds that a bucket stands for."""
    if index < _STEPS:
        return (index + 0.5) / UNITS_PER_S
    shift = (index >> 3) - 1
    return (((index - (shift << 3)) << shift) + (1 << shift) / 2) / UNITS_PER_S


def merge(into: Histogram, more: Mapping[int, int]) -> Histogram:
    """Add `more` to `into`, and give that back."""
    for index, count in more.items():
        into[index] = into.get(index, 0) + count
    return into


def percentiles(counted: Mapping[int, int], shares: Iterable[float]) -> list[float | None]:
    """In milliseconds, for each share (0.5 for the median, ascending); None each where nothing was counted."""
    total, order = sum(counted.values()), sorted(counted.items())
    found: list[float | None] = []
    passed, at = 0, iter(order)
    index = -1
    for share in shares:
        if not total:
            found.append(None)
            continue
        while passed < share * total or index < 0:
            index, count = next(at)
            passed += count
        found.append(middle_s(index) * 1000)
    return found


def pack(counted: Mapping[int, int]) -> bytes:
    """Gaps and counts as numbers of seven bits a byte: two or three bytes for each bucket that is not empty."""
    packed, last = bytearray(), 0
    for index, count in sorted(counted.items()):
        if count > 0:
            _write(packed, index - last)
            _write(packed, count)
            last = index
    return bytes(packed)


def unpack(packed: Iterable[int]) -> Histogram:
    """What `pack` was given. Never raises: what is no such bytes ends where it stops making sense."""
    numbers: list[int] = []
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    counted: Histogram = {}
    index = 0
    for gap, count in zip(numbers[::2], numbers[1::2], strict=False):
        index += gap
        if index >= MOST_BUCKETS:
            break
        counted[index] = count
    return counted


def _write(into: bytearray, number: int) -> None:
    while number > 0x7F:
        into.append(number & 0x7F | 0x80)
        number >>= 7
    into.append(number)
