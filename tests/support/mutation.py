"""Damaged copies of files: what a broken disk, a broken network or an attacker makes of them."""

import random
import struct
from collections.abc import Callable

Mutate = Callable[[bytearray, random.Random], None]
HEADER = 4000
"""Bytes within which the headers of our clips lie; most of the rest is pixels."""
LENGTHS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def mutated(content: bytes, seed: int) -> bytes:
    """A copy with one to eight kinds of damage; the same for the same seed."""
    random_numbers = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(random_numbers.randint(1, 8)):
        random_numbers.choice(_MUTATIONS)(damaged, random_numbers)
        if len(damaged) < 200:
            break
    return bytes(damaged)


def _place(content: bytearray, numbers: random.Random) -> int:
    """Half of the damage where the header is."""
    return numbers.randrange(min(HEADER, len(content)) if numbers.random() < 0.5 else len(content))


def _other_bytes(content: bytearray, numbers: random.Random) -> None:
    for _ in range(numbers.randint(1, 6)):
        content[_place(content, numbers)] = numbers.randrange(256)


def _flipped_bit(content: bytearray, numbers: random.Random) -> None:
    content[_place(content, numbers)] ^= 1 << numbers.randrange(8)


def _extreme_number(content: bytearray, numbers: random.Random) -> None:
    at, value = _place(content, numbers), numbers.choice(LENGTHS)
    kind = numbers.choice(["<H", ">H", "<L", ">L"])
    packed = struct.pack(kind, value & (0xFFFF if kind[1] == "H" else 0xFFFFFFFF))
    content[at : at + len(packed)] = packed


def _cut(content: bytearray, numbers: random.Random) -> None:
    del content[_place(content, numbers) :]


def _removed(content: bytearray, numbers: random.Random) -> None:
    at = _place(content, numbers)
    del content[at : at + numbers.randint(1, 64)]


def _repeated(content: bytearray, numbers: random.Random) -> None:
    at = _place(content, numbers)
    content[at:at] = content[at : at + numbers.randint(1, 512)]


def _moved(content: bytearray, numbers: random.Random) -> None:
    source, target = _place(content, numbers), _place(content, numbers)
    content[target : target + 16] = content[source : source + 16]


_MUTATIONS: tuple[Mutate, ...] = (
    _other_bytes,
    _other_bytes,
    _flipped_bit,
    _extreme_number,
    _extreme_number,
    _cut,
    _removed,
    _repeated,
    _moved,
)
