from hypothesis import given
from hypothesis import strategies as st

from worker.pixels.sampling import sampled_indices


@given(st.integers(min_value=1, max_value=2000))
def test_every_second_frame_of_the_first_forty(number_of_frames: int) -> None:
    indices = sampled_indices(number_of_frames)
    assert indices == [index for index in range(number_of_frames) if index % 2 == 0 and index < 40]
    assert 1 <= len(indices) <= 20
