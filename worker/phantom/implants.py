"""How implants look in a slice: bright metal, drawn where they sit."""

import numpy as np

from worker.phantom.tissue import METAL, Slice, bent

Point = tuple[float, float]


def draw_lead(picture: Slice, *, roof: Point, valve: Point, tip: Point) -> None:
    """A pacing lead, from the right atrium's roof through the tricuspid valve to the right ventricle's apex."""
    in_atrium = bent(roof, valve, 0.5)
    in_ventricle = bent(valve, tip, -0.35)
    picture.stroke([*in_atrium, *in_ventricle[1:]], 0.2, METAL - 4, device=True)
    picture.stroke((tip, (tip[0] + 0.05, tip[1] - 0.3)), 0.36, METAL - 2, device=True)


def draw_clip(picture: Slice, at: Point) -> None:
    """A clip that holds the edges of the mitral leaflets together."""
    picture.stroke(((at[0] - 0.02, at[1] - 0.45), (at[0] + 0.05, at[1] + 0.45)), 0.42, METAL + 1, device=True)
    picture.stroke(((at[0] - 0.5, at[1] + 0.28), (at[0] + 0.5, at[1] + 0.22)), 0.26, METAL - 2, device=True)


def draw_stent(picture: Slice, begin: Point, end: Point) -> None:
    """The frame of a transcatheter valve in the aortic root: a mesh along both walls, and leaflets within."""
    along = np.subtract(end, begin)
    across = np.array((along[1], -along[0])) / np.hypot(*along) * 1.12
    for side in (-1, 1):
        offsets = [part * along + side * across * (1 + 0.08 * np.cos(6 * part)) for part in np.linspace(0, 1, 7)]
        wall = [(begin[0] + float(x), begin[1] + float(z)) for x, z in offsets]
        picture.stroke([(float(x), float(z)) for x, z in wall], 0.24, METAL - 5, device=True)
        for x, z in wall[::2]:
            picture.stroke(((float(x) - 0.12, float(z)), (float(x) + 0.12, float(z))), 0.26, METAL, device=True)


def draw_pump(picture: Slice, length: float, root: Point) -> None:
    """An Impella: a tube of two bright walls from the aortic root into the ventricle, and its pigtail."""
    inlet = (0.1, 0.52 * length)
    line = bent((root[0] - 0.3, root[1] + 2.8), inlet, -0.3)
    for offset in (-0.27, 0.27):
        picture.stroke([(x + offset, z) for x, z in line], 0.15, METAL - 6, device=True)
    picture.stroke((inlet, (inlet[0] - 0.05, inlet[1] + 0.55)), 0.5, METAL - 4, device=True)
    pigtail = [
        (inlet[0] + 0.35 * float(np.sin(angle)), inlet[1] - 0.75 + 0.4 * float(np.cos(angle)))
        for angle in np.linspace(0, 1.5 * np.pi, 9)
    ]
    picture.stroke(pigtail, 0.16, METAL - 7, device=True)
