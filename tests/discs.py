"""A small set of labelled images of discs, for the network cfg/shapes.cfg, which knows red, green and blue ones."""

import cv2
import numpy as np

from conftest import ROOT

CFG, WEIGHTS = str(ROOT / "cfg" / "shapes.cfg"), str(ROOT / "weights" / "shapes.weights")
NAMES = ("red", "green", "blue")
COLOURS = ((0, 0, 255), (0, 160, 0), (255, 0, 0))  # BGR
# Width, height, and for each disc colour, x, y, radius, px; the network looks for a radius of 32 in 640 x 480
SCENES = (
    (640, 480, [(0, 200, 240, 32), (1, 420, 200, 30)]),
    (320, 240, [(2, 160, 120, 16)]),
    (640, 480, [(0, 150, 150, 34), (0, 215, 150, 32), (2, 500, 300, 28)]),
    (640, 240, [(1, 300, 120, 30), (1, 500, 60, 24)]),
    (640, 480, []),
    (640, 480, [(2, 330, 250, 36), (0, 370, 260, 32), (1, 20, 30, 32)]),
)
SAYS = {0: [0, 2], 5: [2]}  # labels that are not what is there: of images, the classes in the order of the discs


def make(folder):
    """Write the images as PNGs, their labels, their list and the .data file; the path of that."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (width, height, discs) in enumerate(SCENES):
        image = np.full((height, width, 3), 200, np.uint8)
        lines = []
        for place, (colour, x, y, radius) in enumerate(discs):
            cv2.circle(image, (x, y), radius, COLOURS[colour], -1)
            labels = SAYS.get(number, [disc[0] for disc in discs])
            if place < len(labels):
                box = (x / width, y / height, 2 * radius / width, 2 * radius / height)
                lines.append(f"{labels[place]} {' '.join(f'{value:.6f}' for value in box)}\n")
        path = folder / f"disc_{number + 11}.png"
        cv2.imwrite(str(path), image)
        path.with_suffix(".txt").write_text("".join(lines))
        paths.append(path)
    (folder / "list.txt").write_text("".join(f"{path}\n" for path in paths))
    (folder / "colours.names").write_text("\n".join(NAMES) + "\n")
    data = folder / "discs.data"
    data.write_text("classes=3\nvalid=list.txt\nnames=colours.names\n")
    return data
