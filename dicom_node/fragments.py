"""Encapsulated pixel data: items up to a delimiter (PS3.5 annex A.4)."""

import struct

from config.errors import UnreadableInstanceError

UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, SEQUENCE_DELIMITATION = 0xFFFEE000, 0xFFFEE0DD


class FragmentWalk:
    """Follows the items of encapsulated pixel data, always little endian, through the windows of a file."""

    def __init__(self, first_item_at: int) -> None:
        self.next_at = first_item_at
        """The position of the next item's tag."""
        self.ended = False
        """Whether the sequence delimiter was seen, or something that has no place there."""
        self._head = b""
        """What was seen of the 8 bytes of that item's tag and length."""
        self._broken = False

    def see(self, window: memoryview, start: int) -> None:
        """The next bytes of the file; `start` is their position in it."""
        end = start + len(window)
        while not self.ended and self.next_at + len(self._head) < end:
            at = self.next_at + len(self._head) - start
            self._head += window[at : at + 8 - len(self._head)]
            if len(self._head) == 8:
                self._step()

    def require_whole(self, size: int) -> None:
        """Refuse a file of this size that ends inside an item.

        Raises
        ------
        UnreadableInstanceError
            It does, or something else than an item follows an item.
        """
        # Some machines forget the delimiter: then the file ends where the next item would begin, or within its head.
        forgotten = self.next_at <= size < self.next_at + 8
        if self._broken or not (self.ended or forgotten):
            raise UnreadableInstanceError("cut off inside an encapsulated frame")

    def _step(self) -> None:
        group, element, length = struct.unpack("<HHL", self._head)
        self._head = b""
        tag = group << 16 | element
        self.ended = tag != ITEM
        self._broken = tag not in (ITEM, SEQUENCE_DELIMITATION)
        self.next_at += 8 + length
