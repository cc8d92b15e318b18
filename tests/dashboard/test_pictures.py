"""Pictures and files of a study: the right pixels, for readers alone, and the reason where there are none."""

import json
import struct
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from sqlalchemy import update

from config.sections.dashboard import AccountRole
from config.sections.report_objects import ReportObject
from dashboard.installation import Installation
from db.tables.studies import Instance
from tests.dashboard.conftest import SignIn
from tests.support.audit_trail import ACCESSED, asked_by_people
from tests.support.clips import SMALL, made_clip
from tests.support.shown_study import CLIP, PDF, UID, ShownStudy, show_study
from tests.support.videos import number_in, numbered_clip, video_instance, video_stream

pytestmark = pytest.mark.long

CLIPS = f"/studies/{UID}/clips/{CLIP}"


@pytest.fixture
def shown(here: Installation) -> ShownStudy:
    return show_study(here.database, here.settings)


def unpacked(content: bytes) -> tuple[dict[str, object], list[bytes]]:
    parts, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        parts.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    return json.loads(parts[0]), parts[1:]


def frames_as_stored(file: Path) -> list[bytes]:
    dataset = pydicom.dcmread(file)
    return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames)))


def test_frames_that_came_as_jpeg_go_to_the_browser_untouched_at_the_times_of_the_clip(
    as_role: SignIn, shown: ShownStudy
) -> None:
    answer = as_role(AccountRole.READER).get(f"{CLIPS}/frames")
    said, frames = unpacked(answer.content)
    assert frames == frames_as_stored(SMALL)
    assert said["frames"] == 30
    times = said["times_ms"]
    assert isinstance(times, list)
    assert times[:2] == pytest.approx([0.0, float(pydicom.dcmread(SMALL).FrameTime)])
    assert answer.headers["cache-control"] == "private, max-age=3600"


def test_what_a_browser_keeps_of_pictures_is_not_for_the_next_who_signs_in(as_role: SignIn, shown: ShownStudy) -> None:
    reader = as_role(AccountRole.READER)
    for what in ("frames", "frames/1", "strip?frame=1"):
        assert {"Cookie", "Authorization"} <= set(reader.get(f"{CLIPS}/{what}").headers["vary"].split(", ")), what
    assert reader.submit("/account", "/sign-out").headers["clear-site-data"] == '"cache"'


def test_one_frame_is_a_picture_by_itself(as_role: SignIn, shown: ShownStudy) -> None:
    reader = as_role(AccountRole.READER)
    answer = reader.get(f"{CLIPS}/frames/7")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == frames_as_stored(SMALL)[6]
    assert reader.get(f"{CLIPS}/frames/31").status_code == 422
    assert reader.get(f"{CLIPS}/frames/0").status_code == 422


def test_frames_of_any_other_kind_are_decoded_and_encoded(as_role: SignIn, shown: ShownStudy) -> None:
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[::-1], (64, 1))])
    made_clip(shown.clip, pixels, "MONOCHROME2")
    said, frames = unpacked(as_role(AccountRole.READER).get(f"{CLIPS}/frames").content)
    assert said["frames"] == 2
    for stored, jpeg in zip(pixels, frames, strict=True):
        seen = imagecodecs.jpeg8_decode(jpeg)
        assert seen.shape == (64, 96, 3)
        assert np.abs(seen[..., 1].astype(int) - stored).mean() < 3


def test_colours_of_a_jpeg_that_browsers_would_get_wrong_are_put_right(as_role: SignIn, shown: ShownStudy) -> None:
    """RGB without a word of it in the stream: a browser takes three components for YBR."""
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 200
    stream = imagecodecs.jpeg8_encode(red, colorspace="RGB", outcolorspace="RGB")
    marker = stream.find(b"\xff\xee")
    plain = stream if marker < 0 else stream[:marker] + stream[marker + 16 :]
    _as_rgb_jpeg(shown.clip, plain)
    _, frames = unpacked(as_role(AccountRole.READER).get(f"{CLIPS}/frames").content)
    seen = imagecodecs.jpeg8_decode(frames[0], outcolorspace="RGB")
    assert seen[..., 0].mean() > 180
    assert seen[..., 1].mean() < 30


def test_a_frame_that_is_cut_off_is_said_to_be_damaged_and_the_others_come(as_role: SignIn, shown: ShownStudy) -> None:
    dataset = pydicom.dcmread(SMALL)
    frames = frames_as_stored(SMALL)
    frames[3] = frames[3][: len(frames[3]) // 2]
    dataset.PixelData = pydicom.encaps.encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(shown.clip)
    reader = as_role(AccountRole.READER)
    _, came = unpacked(reader.get(f"{CLIPS}/frames").content)
    assert came[3] == b""
    assert came[2] == frames[2]
    answer = reader.get(f"{CLIPS}/frames/4")
    assert answer.status_code == 422
    assert "damaged" in answer.text


def test_the_strip_shows_the_frames_that_were_scored(as_role: SignIn, shown: ShownStudy) -> None:
    answer = as_role(AccountRole.READER).get(f"{CLIPS}/strip?frame=1&frame=3&frame=5")
    strip = imagecodecs.jpeg8_decode(answer.content)
    assert strip.shape == (144, 3 * 192, 3)


def test_what_was_removed_lost_or_damaged_says_so_where_the_picture_would_be(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    reader = as_role(AccountRole.READER)

    def said() -> list[tuple[int, str]]:
        answers = [reader.get(f"{CLIPS}/{what}") for what in ("frames", "frames/1", "strip?frame=1")]
        assert [answer.headers["content-type"].split(";")[0] for answer in answers] == [
            "text/plain", "image/svg+xml", "image/svg+xml"
        ]  # fmt: skip
        assert all(answer.headers["cache-control"] == "no-store" for answer in answers)
        return [(answer.status_code, answer.text) for answer in answers]

    content = shown.clip.read_bytes()
    shown.clip.write_bytes(content[:600])
    assert {status for status, _ in said()} == {422}
    shown.clip.write_bytes(b"")
    assert {status for status, _ in said()} == {422}
    shown.clip.unlink()
    assert all(status == 410 and "not in the spool" in text for status, text in said())
    with here.database.write() as session:
        session.execute(update(Instance).values(removed_at=datetime(2026, 11, 1, 12, tzinfo=UTC)))
    assert all(status == 410 and "removed on" in text for status, text in said())
    assert "removed on 2026-11-01" in reader.get(f"/studies/{UID}").text


def test_a_clip_is_one_look_in_the_audit_trail_however_many_frames_are_asked_for(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    reader = as_role(AccountRole.READER)
    for number in range(1, 6):
        reader.get(f"{CLIPS}/frames/{number}")
    reader.get(f"{CLIPS}/frames")
    told = asked_by_people(here.settings.audit_dir, ACCESSED)
    assert [(one.user, one.objects) for one in told] == [("a-reader", (UID, "SECRET-4711"))]
    reader.get(f"/studies/{UID}/objects/{shown.objects[ReportObject.HEAT_MAP]}/frames/1")
    assert len(asked_by_people(here.settings.audit_dir, ACCESSED)) == 2, "another object is another look"


def test_the_heat_map_plays_as_it_is_sent(as_role: SignIn, shown: ShownStudy) -> None:
    uid = shown.objects[ReportObject.HEAT_MAP]
    said, frames = unpacked(as_role(AccountRole.READER).get(f"/studies/{UID}/objects/{uid}/frames").content)
    assert frames == frames_as_stored(shown.spool.report_path(UID, uid))
    assert said["times_ms"] == pytest.approx([0.0, 66.5, 133.0])


def test_readers_download_what_was_sent(here: Installation, as_role: SignIn, shown: ShownStudy) -> None:
    reader = as_role(AccountRole.READER)
    for uid in shown.objects.values():
        answer = reader.get(f"/studies/{UID}/objects/{uid}")
        assert answer.content == shown.spool.report_path(UID, uid).read_bytes()
        assert pydicom.dcmread(BytesIO(answer.content)).SOPInstanceUID == uid
        assert "attachment" in answer.headers["content-disposition"]
    page = reader.get(f"/studies/{UID}/objects/{shown.objects[ReportObject.PDF]}/pdf")
    assert page.content == PDF
    assert page.headers["content-type"] == "application/pdf"
    assert reader.get(f"/studies/{UID}/objects/{shown.objects[ReportObject.SR]}/pdf").status_code == 409
    assert len(asked_by_people(here.settings.audit_dir, ACCESSED)) >= 4


def test_viewers_and_strangers_see_no_pixel(as_role: SignIn, shown: ShownStudy) -> None:
    viewer = as_role(AccountRole.VIEWER)
    heat = shown.objects[ReportObject.HEAT_MAP]
    for path in (
        f"{CLIPS}/frames", f"{CLIPS}/frames/1", f"{CLIPS}/strip?frame=1", CLIPS, f"/studies/{UID}/objects/{heat}",
        f"/studies/{UID}/objects/{heat}/frames", f"/studies/{UID}/objects/{heat}/frames/1",
        f"/studies/{UID}/objects/{heat}/pdf",
    ):  # fmt: skip
        assert viewer.get(path).status_code == 403, path
        viewer.client.cookies.clear()
        assert viewer.get(path).status_code == 303, path
        viewer.sign_in("a-viewer")


def test_what_is_not_of_the_study_is_not_given_under_it(as_role: SignIn, shown: ShownStudy) -> None:
    reader = as_role(AccountRole.READER)
    for path in (
        f"/studies/1.2.3/clips/{CLIP}/frames", f"/studies/{UID}/clips/1.2.3/frames/1",
        f"/studies/1.2.3/objects/{shown.objects[ReportObject.SR]}", f"/studies/{UID}/objects/{CLIP}",
    ):  # fmt: skip
        assert reader.get(path).status_code == 404, path


def _as_rgb_jpeg(file: Path, stream: bytes) -> None:
    dataset = pydicom.dcmread(SMALL)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 64, 96, 1
    dataset.PhotometricInterpretation = "RGB"
    dataset.PixelData = pydicom.encaps.encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(file)


def test_a_video_comes_as_its_frames_in_their_order(as_role: SignIn, shown: ShownStudy) -> None:
    frames = numbered_clip(12)
    video_instance(shown.clip, "H.264 in MP4", video_stream("H.264 in MP4", frames), frames, FrameTime="40")
    reader = as_role(AccountRole.READER)
    _, came = unpacked(reader.get(f"{CLIPS}/frames").content)
    assert [number_in(imagecodecs.jpeg8_decode(jpeg)) for jpeg in came] == list(range(12))
    assert number_in(imagecodecs.jpeg8_decode(reader.get(f"{CLIPS}/frames/9").content)) == 8
