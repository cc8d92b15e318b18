"""Which frames of a clip the model sees."""

SAMPLED_SPAN = 40
STRIDE = 2
MINIMUM_FRAMES = 8
"""Fewer frames than this show less than a third of a heartbeat at 30 frames a second: nothing to read a cycle from."""


def sampled_indices(number_of_frames: int) -> list[int]:
    """Every second frame of the first 40, counted from 0: at most 20 (the example of echonet/echo_CLIP)."""
    return list(range(0, min(number_of_frames, SAMPLED_SPAN), STRIDE))
