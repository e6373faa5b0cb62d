"""A small set of labelled images of discs, for the network cfg/shapes.cfg, which knows red, green and blue ones."""

import cv2
import numpy as np

from conftest import ROOT

CFG, WEIGHTS = str(ROOT / "cfg" / "shapes.cfg"), str(ROOT / "weights" / "shapes.weights")
NAMES = ("red", "green", "blue")
COLOURS = ((0, 0, 255), (0, 160, 0), (255, 0, 0))  # BGR
SCENES = (  # width, height, and for each disc colour, x, y, radius, px
    (160, 120, [(0, 40, 60, 20), (1, 110, 50, 24)]),
    (160, 120, [(2, 80, 60, 30)]),
    (200, 100, [(0, 30, 50, 18), (0, 100, 50, 22), (2, 160, 40, 20)]),
    (120, 160, [(1, 60, 40, 25), (1, 60, 120, 12)]),
    (160, 160, []),
    (160, 120, [(2, 60, 60, 40), (0, 120, 80, 16)]),
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
