"""Invented echo machines, one screen each.

No vendor's screen is copied. What they have in common is: text around the sector, a scale of depth, a bar of greys, an
ECG, a mark for the side of the probe.
"""

from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from worker.phantom.screen_parts import GREY, WHITE, DepthScale, Electrocardiogram, Panel, TextBlock, VendorStyle
from worker.pixels.regions import Region


def _box(left: int, top: int, right: int, bottom: int) -> Region:
    return Region(left=left, top=top, right=right, bottom=bottom)


HARBOUR = VendorStyle(
    name="harbour",
    manufacturer="Phantom Harbour Imaging",
    model="Harbour A70",
    rows=600,
    columns=800,
    sector=_box(96, 40, 736, 548),
    region="place",
    texts=(
        TextBlock(at=(10, 8), text="{patient_name}\n{patient_id}", size=15, font="bold"),
        TextBlock(at=(790, 8), text="{date}  {time}\nTIS{thermal_index:.1f}  MI {mechanical_index:.1f}", align="right"),
        TextBlock(at=(330, 8), text="{institution}", size=14),
        TextBlock(at=(11, 62), text="{probe}\n{frame_rate:.0f}Hz\n{depth_cm:.0f}cm", size=15, font="bold"),
        TextBlock(at=(11, 126), text="2D\n {gain:.0f}%\n C {dynamic_range:.0f}\n P Low\n HGen", size=14),
        TextBlock(at=(788, 570), text="{heart_rate:.0f} bpm", size=15, font="bold", align="right"),
    ),
    depth=DepthScale(where="along the edge", colour=WHITE),
    grey_bar=_box(764, 96, 776, 260),
    ecg=Electrocardiogram(box=_box(30, 540, 650, 592), colour=(60, 220, 90), kind="sweep", span_s=3.2),
    probe_mark="dot",
    mark_colour=(96, 122, 190),
    focus="line",
    jpeg_quality=82,
    other_syntaxes=(JPEGLosslessSV1,),
)
"""Text at the left, dots along the sector's edge, an ECG that is swept; its region is much wider than the sector."""

MEADOW = VendorStyle(
    name="meadow",
    manufacturer="Phantom Meadow Ultrasound",
    model="Meadow Turbo",
    rows=480,
    columns=640,
    sector=_box(70, 42, 590, 402),
    region="sector",
    texts=(
        TextBlock(at=(8, 6), text="{patient_name}\n{patient_id}", size=15, colour=(170, 175, 180)),
        TextBlock(at=(8, 44), text="Gen THI\nS", size=14, colour=(170, 175, 180)),
        TextBlock(
            at=(632, 28),
            text="Crd\nP21\n\n\nMI\n{mechanical_index:.1f}\nTIS\n{thermal_index:.1f}",
            size=15,
            colour=(170, 175, 180),
            align="right",
        ),
        TextBlock(at=(600, 396), text="{depth_cm:.0f}", size=15, colour=(170, 175, 180), align="right"),
        TextBlock(at=(470, 6), text="{date}", size=13, colour=(170, 175, 180)),
        TextBlock(
            at=(96, 458),
            text="Gen      {gain:.0f}      Sector      MB Off      THI On      Page 1/3",
            size=14,
            colour=(150, 158, 170),
        ),
    ),
    panels=(
        Panel(box=_box(78, 454, 566, 480), colour=(28, 38, 60), outline=(70, 84, 110)),
        Panel(box=_box(8, 430, 58, 452), colour=(20, 26, 42), outline=(60, 70, 92)),
    ),
    depth=DepthScale(where="right", length=2, labelled_every_cm=99),
    ecg=Electrocardiogram(
        box=_box(80, 406, 566, 446), colour=(190, 190, 70), kind="sweep", span_s=4.0, width=1, cursor=(0, 0, 0)
    ),
    mark_colour=(70, 160, 120),
    focus="none",
    gamma=1.15,
    jpeg_quality=75,
    other_syntaxes=(ExplicitVRLittleEndian,),
)
"""A portable machine: small, buttons below, a dark grey map, and its longest clips uncompressed."""

NORTHLIGHT = VendorStyle(
    name="northlight",
    manufacturer="Phantom Northlight Medical",
    model="Northlight E9x",
    rows=708,
    columns=1016,
    sector=_box(150, 30, 880, 640),
    region="sector",
    texts=(
        TextBlock(at=(1006, 10), text="{patient_name}", size=18, font="narrow", align="right"),
        TextBlock(at=(1006, 34), text="{patient_id}\n{date}\n{time}", size=15, font="narrow", align="right"),
        TextBlock(
            at=(12, 110),
            text="Adult Echo\n{probe}\n{frequency:.1f}/{frequency2:.1f} MHz\nFPS {frame_rate:.1f}\nGain {gain:.0f} dB\n"
            "DR {dynamic_range:.0f}\nDepth {depth_cm:.1f} cm\nMI {mechanical_index:.2f}\nTIs {thermal_index:.1f}",
            size=15,
            colour=(210, 200, 150),
            font="narrow",
        ),
        TextBlock(at=(1000, 680), text="{heart_rate:.0f} HR", size=20, colour=(90, 230, 110), align="right"),
        TextBlock(at=(12, 10), text="{institution}", size=17, font="narrow"),
    ),
    depth=DepthScale(where="right", colour=(200, 190, 140)),
    grey_bar=_box(980, 120, 996, 376),
    ecg=Electrocardiogram(box=_box(150, 628, 930, 700), colour=(90, 230, 110), kind="cursor"),
    tint=(0.82, 1.0, 1.28),
    probe_mark="letter",
    mark_colour=(210, 200, 60),
    jpeg_quality=88,
    other_syntaxes=(JPEG2000Lossless,),
)
"""Brownish B-mode, text at the left and the patient at the right, the whole ECG with a cursor that runs along it."""

QUARRY = VendorStyle(
    name="quarry",
    manufacturer="Phantom Quarry Systems",
    model="Quarry 7",
    rows=768,
    columns=1024,
    sector=_box(212, 96, 962, 700),
    region="none",
    texts=(
        TextBlock(at=(14, 10), text="{patient_name}   {patient_id}", size=22, colour=(225, 225, 235)),
        TextBlock(at=(1010, 10), text="{institution}  {date} {time}", size=18, align="right", colour=(225, 225, 235)),
        TextBlock(
            at=(14, 110),
            text="FR {frame_rate:.0f}\nD {depth_cm:.1f}\nG {gain:.0f}\nDR {dynamic_range:.0f}\n"
            "F {frequency:.1f}\n\nMI {mechanical_index:.1f}\nTI {thermal_index:.1f}\n\nHR {heart_rate:.0f}",
            size=20,
            colour=(150, 190, 230),
            spacing=1.35,
        ),
    ),
    panels=(Panel(box=_box(0, 0, 1024, 44), colour=(44, 52, 70)),),
    depth=DepthScale(where="left", colour=(150, 190, 230), length=9),
    grey_bar=_box(990, 100, 1010, 360),
    ecg=Electrocardiogram(box=_box(200, 704, 1000, 762), colour=(120, 210, 255), kind="sweep", span_s=3.6),
    tint=(1.12, 1.0, 0.86),
    probe_mark="wedge",
    mark_colour=(150, 190, 230),
    jpeg_quality=70,
    other_syntaxes=(RLELossless,),
)
"""Bluish, a banner over the whole screen, and no regions: what moves must tell where the sector is."""

LANTERN = VendorStyle(
    name="lantern",
    manufacturer="Phantom Lantern Electronics",
    model="Lantern 500",
    rows=576,
    columns=768,
    sector=_box(44, 60, 644, 520),
    region="none",
    texts=(
        TextBlock(at=(20, 14), text="{patient_name}\nID {patient_id}", size=16, font="pixels"),
        TextBlock(at=(752, 14), text="{date}\n{time}", size=16, font="pixels", align="right"),
        TextBlock(
            at=(752, 84),
            text="{depth_cm:.0f}CM\n{frame_rate:.0f}HZ\n{frequency:.1f}MHZ\n\nG{gain:.0f}\nD{dynamic_range:.0f}",
            size=16,
            font="pixels",
            align="right",
        ),
        TextBlock(at=(752, 540), text="HR {heart_rate:.0f}", size=16, font="pixels", align="right"),
    ),
    background=(8, 8, 12),
    depth=DepthScale(where="right", colour=WHITE, length=8, labelled_every_cm=5),
    grey_bar=_box(728, 300, 744, 420),
    ecg=Electrocardiogram(box=_box(44, 526, 640, 568), colour=WHITE, kind="sweep", span_s=5.0, width=1),
    mark_colour=WHITE,
    gamma=0.9,
    jpeg_quality=65,
    other_syntaxes=(RLELossless, JPEGLosslessSV1),
    retired_codes=True,
)
"""An old machine: letters of few pixels, no colour, no regions, a background that is not quite black."""

ORCHARD = VendorStyle(
    name="orchard",
    manufacturer="Phantom Orchard Health",
    model="Orchard S2",
    rows=600,
    columns=800,
    sector=_box(130, 70, 770, 530),
    region="sector",
    texts=(
        TextBlock(at=(790, 12), text="{patient_name}\n{patient_id}", size=14, font="wide", align="right"),
        TextBlock(at=(14, 12), text="{institution}\n{date} {time}", size=13, font="wide", colour=GREY),
        TextBlock(
            at=(14, 420),
            text="{frequency:.1f} MHz\n{gain:.0f} dB\nDR {dynamic_range:.0f}\n"
            "{frame_rate:.0f} fps\n{heart_rate:.0f}/min",
            size=13,
            font="wide",
            colour=(200, 160, 110),
        ),
        TextBlock(at=(14, 90), text="MI {mechanical_index:.2f}\nTIB {thermal_index:.2f}", size=13, font="wide"),
    ),
    depth=DepthScale(where="left", colour=(200, 160, 110), labelled_every_cm=2),
    grey_bar=_box(16, 150, 26, 330),
    ecg=Electrocardiogram(box=_box(140, 486, 780, 560), colour=(235, 90, 90), kind="cursor", cursor=(235, 200, 60)),
    probe_mark="letter",
    mark_colour=(200, 160, 110),
    tint=(0.94, 1.0, 1.06),
    jpeg_quality=90,
    other_syntaxes=(JPEG2000Lossless,),
    retired_codes=True,
)
"""Its ECG lies over the sector's lower end."""

TIDEWATER = VendorStyle(
    name="tidewater",
    manufacturer="Phantom Tidewater Devices",
    model="Tidewater X",
    rows=720,
    columns=960,
    sector=_box(40, 64, 800, 618),
    region="sector",
    texts=(
        TextBlock(at=(814, 84), text="{patient_name}", size=11, colour=(20, 30, 30), font="narrow"),
        TextBlock(at=(814, 104), text="{patient_id}\n{date}\n{time}", size=13, colour=(20, 30, 30)),
        TextBlock(
            at=(948, 230),
            text="{depth_cm:.1f} cm\n{frame_rate:.0f} f/s\n{gain:.0f} dB\n{dynamic_range:.0f} dB\n"
            "{frequency:.1f} MHz\nMI {mechanical_index:.2f}\nTI {thermal_index:.2f}",
            size=17,
            colour=(120, 230, 200),
            align="right",
            spacing=1.5,
        ),
        TextBlock(at=(40, 16), text="{institution}", size=24, colour=(120, 230, 200), font="wide"),
        TextBlock(at=(820, 676), text="{heart_rate:.0f} /min", size=26, colour=(255, 150, 60), font="bold"),
    ),
    panels=(
        Panel(box=_box(808, 76, 958, 168), colour=(140, 190, 180)),
        Panel(box=_box(0, 0, 960, 54), colour=(14, 34, 34)),
    ),
    background=(4, 10, 10),
    depth=DepthScale(where="left", colour=(120, 230, 200), length=12, labelled_every_cm=4),
    grey_bar=_box(830, 420, 940, 432),
    ecg=Electrocardiogram(
        box=_box(40, 630, 800, 712), colour=(255, 150, 60), kind="cursor", width=3, cursor=(120, 230, 200)
    ),
    probe_mark="wedge",
    mark_colour=(255, 150, 60),
    focus="line",
    tint=(1.2, 0.9, 1.0),
    gamma=0.94,
    jpeg_quality=84,
    other_syntaxes=(JPEGLosslessSV1, RLELossless),
)
"""Unlike the others: greenish, a light card with dark letters, a lying grey bar, its text at the right."""
