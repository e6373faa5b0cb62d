"""Labelled images to convert, small and written by the tests."""

from pathlib import Path

import cv2
import numpy as np


def write_image(path, width=200, height=100, orientation=0, seed=0):
    """An image file; a JPEG with an EXIF orientation where one is given."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *path.name.encode()]).integers(0, 256, (height, width, 3), np.uint8)
    data = cv2.imencode(path.suffix.lower(), pixels)[1].tobytes()
    if orientation:
        entry = b"\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0])
        part = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
        data = data[:2] + b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part + data[2:]
    path.write_bytes(data)
    return path


def voc_object(name, *edges, difficult=0):
    """An object from line 1 of its text on; edges: left, top, right, bottom."""
    sides = "".join(f"<{s}>{e}</{s}>" for s, e in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True))
    return f"<object>\n<name>{name}</name>\n<difficult>{difficult}</difficult>\n<bndbox>{sides}</bndbox>\n</object>\n"


def voc_xml(*objects, filename="", size=(200, 100), head='<?xml version="1.0"?>\n'):
    """The text of an XML file; its objects are on lines 5, 10, ..."""
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"{head}<annotation>\n<filename>{filename}</filename>\n{sides}\n{''.join(objects)}</annotation>\n"


def write_xml(path, *objects, **options):
    """An XML file, its image beside it unless `image` is False."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if options.pop("image", True):
        write_image(path.with_suffix(".jpg"))
    path.write_text(voc_xml(*objects, **options), encoding="utf-8")
    return path


def voc_root(folder, sets, others=()):
    """A VOC root with an image of one class for each stem in `sets` (lists of stems by name) and in `others`."""
    folder = Path(folder)
    for name, stems in sets.items():
        (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    for stem in {*others, *(stem for stems in sets.values() for stem in stems)}:
        write_image(folder / "JPEGImages" / f"{stem}.jpg")
        write_xml(folder / "Annotations" / f"{stem}.xml", voc_object("cat", 20, 10, 60, 50), image=False)
    return folder


def stems(pictures):
    """The names of images, without folder and suffix."""
    return [Path(picture.path).stem for picture in pictures]


def contents(folder):
    """All files below a folder with their bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }
