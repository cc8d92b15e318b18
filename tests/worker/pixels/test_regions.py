import pytest
from pydicom.dataset import Dataset

from config.errors import ClipError
from tests.support.clips import region
from worker.pixels.regions import Region, choose_region


def picture(*regions: Dataset, columns: int = 800, rows: int = 600) -> Dataset:
    header = Dataset()
    header.Columns, header.Rows = columns, rows
    if regions:
        header.SequenceOfUltrasoundRegions = list(regions)
    return header


def test_the_last_pixel_of_a_region_belongs_to_it() -> None:
    chosen = choose_region(picture(region(11, 30, 788, 592)))
    assert chosen.region == Region(left=11, top=30, right=789, bottom=593)
    assert chosen.notes == ()


def test_of_several_pictures_the_largest_is_taken_and_traces_never() -> None:
    header = picture(
        region(0, 0, 799, 599, spatial=3, data=3), region(0, 0, 199, 199), region(300, 100, 699, 499, data=2)
    )
    chosen = choose_region(header)
    assert chosen.region == Region(left=300, top=100, right=700, bottom=500)
    assert chosen.notes == ("colour over the tissue",)


def test_without_regions_the_whole_picture_is_taken() -> None:
    assert choose_region(picture()).region == Region(left=0, top=0, right=800, bottom=600)


def test_a_region_that_lies_outside_is_not_believed_and_said_so() -> None:
    chosen = choose_region(picture(region(84, 31, 595, 414), columns=320, rows=240))
    assert chosen.region == Region(left=0, top=0, right=320, bottom=240)
    assert "outside the picture" in chosen.notes[0]


@pytest.mark.parametrize(
    ("spatial", "said"), [(2, "M-mode"), (3, "spectral Doppler"), (4, "wave form")], ids=["m-mode", "doppler", "ecg"]
)
def test_traces_alone_are_no_clip(spatial: int, said: str) -> None:
    with pytest.raises(ClipError, match=f"no picture of the heart, only {said}"):
        choose_region(picture(region(0, 0, 799, 599, spatial=spatial)))


def test_a_thumbnail_is_too_small() -> None:
    with pytest.raises(ClipError, match="too small: 60 x 600 pixels"):
        choose_region(picture(columns=60))
