import random
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import cv2
import numpy as np
import pytest

from darkparse import images
from darkparse.errors import ImageError
from darkparse.images import Placement, Window, as_network_order, letterbox, read_image, resize

# 2 rows of 3 grey pixels: 0, .2, 1 and .4, .8, .6 of 255.  What is said to be Darknet's was printed by the C functions
# resize_image, letterbox_image and correct_yolo_boxes of AlexeyAB 59596d7, built as its Makefile does.
SMALL = np.array([[0, 51, 255], [102, 204, 153]], np.uint8)[:, :, None]
BLUE_GREEN_RED = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)  # one row, OpenCV's order
IDENTITY = np.eye(3, dtype=np.uint8)[::-1] * 255  # the same as RGB


def noise(height, width, channels, dtype=np.uint8):
    random = np.random.default_rng([height, width, channels])
    if dtype is np.float32:
        return random.random((height, width, channels), dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def resized_by_loop(image, width, height):
    """Darknet's formula, pixel by pixel, for sizes above 1 and float32 pixels."""
    rows, columns, channels = image.shape
    f32 = np.float32
    step_x, step_y = f32(columns - 1) / f32(width - 1), f32(rows - 1) / f32(height - 1)
    result = np.zeros((channels, height, width), f32)

    def across(row, c):
        if c == width - 1 or columns == 1:
            return image[row, columns - 1]
        x = f32(c) * step_x
        return (1 - (x - f32(int(x)))) * image[row, int(x)] + (x - f32(int(x))) * image[row, int(x) + 1]

    for r in range(height):
        y = f32(r) * step_y
        for c in range(width):
            result[:, r, c] = (1 - (y - f32(int(y)))) * across(int(y), c)
            if r != height - 1 and rows != 1:
                result[:, r, c] += (y - f32(int(y))) * across(int(y) + 1, c)
    return result


@pytest.mark.parametrize(
    ("image", "size", "darknets"),
    [
        (SMALL, (5, 3), [[0.0, 0.1, 0.2, 0.6, 1.0], [0.2, 0.35, 0.5, 0.65, 0.8], [0.4, 0.6, 0.8, 0.7, 0.6]]),
        (SMALL, (2, 2), [[0.0, 1.0], [0.4, 0.6]]),
        (SMALL, (3, 2), [[0.0, 0.2, 1.0], [0.4, 0.8, 0.6]]),
        (SMALL, (1, 3), [[1.0], [0.8], [0.6]]),
        (SMALL[:1], (4, 2), [[0.0, 0.1333333, 0.4666667, 1.0], [0.0, 0.1333333, 0.4666667, 1.0]]),
        (SMALL[:, :1], (2, 3), [[0.0, 0.0], [0.2, 0.2], [0.4, 0.4]]),
    ],
)
def test_resize_gives_the_pixels_of_darknet(image, size, darknets):
    assert resize(image, *size) == pytest.approx(np.array([darknets], np.float32), abs=1e-6)


@pytest.mark.parametrize("source", [(1, 1), (1, 9), (9, 1), (2, 2), (13, 7), (40, 31), (31, 40)])
@pytest.mark.parametrize("target", [(2, 2), (3, 11), (16, 9), (31, 40), (42, 6)])
@pytest.mark.parametrize(
    ("channels", "dtype", "white"), [(3, np.uint8, 255), (1, np.float32, 1), (5, np.uint16, 65535)]
)
@pytest.mark.parametrize("cached", [images._CACHED, 1, 700], ids=["at once", "row by row", "some rows"])
def test_resize_is_the_formula_of_darknet(source, target, channels, dtype, white, cached, monkeypatch):
    monkeypatch.setattr(images, "_CACHED", cached)
    image = noise(*source, channels, dtype)
    expected = resized_by_loop(image.astype(np.float32) / np.float32(white), *target)
    result = resize(image, *target)
    assert (result.dtype, result.flags.c_contiguous) == (np.float32, True)
    assert np.abs(result - expected).max() <= 1e-6


def test_resize_to_one_row_gives_the_last():
    assert resize(SMALL, 3, 1) == pytest.approx(np.array([[[0.4, 0.8, 0.6]]]), abs=1e-6)


def test_resize_darkens_the_last_row_where_darknet_does():
    white = np.full((2, 2, 1), 255, np.uint8)
    assert resize(white, 2, 42)[0, 40:].tolist() == [[1, 1], [2**-24, 2**-24]]  # 1/41*41 < 1 in float32; Darknet's


@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_resize_is_the_same_however_many_rows_are_at_work(rows, monkeypatch):
    image = noise(90, 70, 3)
    window = Window(-9, 30, 60, 80)  # over the edges
    expected = resize(image, 33, 40), resize(image, 33, 40, window), letterbox(image, 33, 40)
    monkeypatch.setattr(images, "_CACHED", rows * 2 * 3 * (70 + 4 * 33))
    result = resize(image, 33, 40), resize(image, 33, 40, window), letterbox(image, 33, 40)
    assert [one.tobytes() for one in result] == [one.tobytes() for one in expected]


def test_resize_takes_views():
    image = noise(20, 30, 3)
    assert np.array_equal(resize(image[::-1, ::2, ::-1], 8, 9), resize(image[::-1, ::2, ::-1].copy(), 8, 9))


@pytest.mark.parametrize(
    ("size", "darknets"),
    [
        ((4, 4), [[0.5] * 4, [0.0, 0.1333333, 0.4666667, 1.0], [0.4, 0.6666667, 0.7333333, 0.6], [0.5] * 4]),
        ((7, 2), [[0.5, 0.5, 0.0, 0.2, 1.0, 0.5, 0.5], [0.5, 0.5, 0.4, 0.8, 0.6, 0.5, 0.5]]),
    ],
)
def test_letterbox_gives_the_pixels_of_darknet(size, darknets):
    assert letterbox(SMALL, *size) == pytest.approx(np.array([darknets], np.float32), abs=1e-6)


@pytest.mark.parametrize(
    ("image", "net", "placed", "corner"),
    [
        ((640, 480), (416, 416), (416, 312), (0, 52)),
        ((333, 500), (416, 416), (277, 416), (69, 0)),  # 333*416/500 = 277.056
        ((500, 375), (608, 352), (469, 352), (69, 0)),  # 500*352/375 = 469.3; (608-469)/2 = 69.5
    ],
)
def test_placement_in_a_letterbox(image, net, placed, corner):
    place = Placement.of(*image, *net, letterbox=True)
    assert ((place.width, place.height), (place.left, place.top)) == (placed, corner)
    assert Placement.of(*image, *net, letterbox=False) == Placement(*net, *net)


@pytest.mark.parametrize(
    ("image", "net", "box", "darknets"),
    [
        ((640, 480), (416, 416), [0.5, 0.25, 0.125, 0.75], [0.5, 0.16666667, 0.125, 1.0]),
        ((333, 500), (416, 416), [0.5, 0.25, 0.125, 0.75], [0.5, 0.25, 0.18772563, 0.75]),
        ((500, 375), (608, 352), [0.3, 0.6, 0.2, 0.1], [0.24072497, 0.6, 0.25927505, 0.1]),
    ],
)
def test_boxes_are_brought_back_as_darknet_does(image, net, box, darknets):
    boxes = np.array([box, box], np.float32)
    undone = Placement.of(*image, *net, letterbox=True).undo(boxes)
    assert np.array_equal(undone, np.array([darknets] * 2, np.float32))
    assert undone.dtype == np.float32
    assert np.array_equal(Placement.of(*image, *net, letterbox=False).undo(boxes), boxes)
    assert Placement(*net, *net).undo(np.zeros((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize(
    ("array", "channels", "expected"),
    [
        (BLUE_GREEN_RED, 3, IDENTITY[None]),
        (np.dstack([BLUE_GREEN_RED, SMALL[:1]]), 3, IDENTITY[None]),
        (np.dstack([BLUE_GREEN_RED, SMALL[:1]]), 4, np.dstack([IDENTITY[None], SMALL[:1]])),
        (SMALL, 3, np.dstack([SMALL] * 3)),
        (SMALL[:, :, 0], 3, np.dstack([SMALL] * 3)),
        (SMALL[:, :, 0], 1, SMALL),
        (BLUE_GREEN_RED, 1, np.array([[[29], [150], [76]]])),  # .114, .587, .299 of 255
        (BLUE_GREEN_RED.astype(np.uint16), 3, IDENTITY[None]),
        (BLUE_GREEN_RED[:, ::-1].astype(np.float32) / 255, 3, IDENTITY[None, ::-1] / 255),
        (noise(4, 5, 2), 2, noise(4, 5, 2)),
        (noise(4, 5, 7, np.uint16), 7, noise(4, 5, 7, np.uint16)),
    ],
)
def test_arrays_in_the_order_of_the_network(array, channels, expected):
    result = as_network_order(array, channels)
    assert result.dtype == array.dtype
    assert np.array_equal(result, expected)


SHAPE = "an array of (height, width, channels) is needed, not of shape"


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        (resize, (np.zeros((4, 4), np.uint8), 8, 8), f"{SHAPE} (4, 4)"),
        (letterbox, (np.zeros((0, 4, 3), np.uint8), 8, 8), f"{SHAPE} (0, 4, 3)"),
        (as_network_order, (np.zeros(5, np.uint8), 3), f"{SHAPE} (5,)"),
        (resize, (np.zeros((4, 4, 3)), 8, 8), "pixels must be uint8, uint16 or float32, not float64"),
        (as_network_order, ([[[1]]], 1), "a NumPy array is needed, not list"),
        (as_network_order, (noise(4, 5, 5), 3), "the number of channels is 5 in the image, 3 in the network"),
        (as_network_order, (noise(4, 5, 1), 4), "the number of channels is 1 in the image, 4 in the network"),
        (as_network_order, (np.full((2, 2, 3), 254, np.float32), 3), "float32 pixels must be 0..1, not 254..254"),
        (as_network_order, (np.full((2, 2), np.nan, np.float32), 1), "float32 pixels must be 0..1, not nan..nan"),
        (resize, (SMALL, 0, 8), "cannot resize to 0 x 8 px"),
        (letterbox, (SMALL, 8, 0), "cannot place an image of 3 x 2 px in 8 x 0 px"),
        (letterbox, (noise(100, 1, 3), 99, 99), "1 x 100 px is too thin to letterbox to 99 x 99 px"),
    ],
)
def test_what_cannot_be_done_is_refused(call, arguments, message):
    with pytest.raises(ImageError) as caught:
        call(*arguments)
    assert str(caught.value) == message


def encoded(extension, array):
    return cv2.imencode(extension, array)[1].tobytes()


def huge_png():
    png = bytearray(encoded(".png", BLUE_GREEN_RED))
    png[16:24] = struct.pack(">II", 40000, 40000)  # width and height, and the checksum of their chunk
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


@pytest.mark.parametrize("name", ["dog.png", "a dog.png", "Hund größer 狗.png"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_reads_by_any_name(tmp_path, name, kind):
    (tmp_path / name).write_bytes(encoded(".png", BLUE_GREEN_RED))
    assert np.array_equal(read_image(kind(tmp_path / name)), IDENTITY[None])


@pytest.mark.parametrize(
    ("array", "channels", "expected"),
    [
        (BLUE_GREEN_RED, 1, np.array([[[29], [149], [76]]])),  # .114, .587, .299 of 255; libpng rounds down
        (SMALL, 3, np.dstack([SMALL] * 3)),
        (SMALL, 1, SMALL),
        (SMALL.astype(np.uint16) * 256 + 255, 3, np.dstack([SMALL] * 3)),  # the upper 8 of 16 bits
        (np.dstack([BLUE_GREEN_RED, SMALL[:1]]), 3, IDENTITY[None]),
        (np.dstack([BLUE_GREEN_RED, SMALL[:1]]), 4, np.dstack([IDENTITY[None], SMALL[:1]])),
        (noise(4, 5, 4, np.uint16), 4, noise(4, 5, 4, np.uint16)[:, :, [2, 1, 0, 3]]),
    ],
)
def test_reads_what_a_png_holds(tmp_path, array, channels, expected):
    (tmp_path / "x.png").write_bytes(encoded(".png", array))
    result = read_image(tmp_path / "x.png", channels)
    assert result.dtype == (array.dtype if channels == 4 else np.uint8)
    assert np.array_equal(result, expected)


def test_turns_a_jpeg_as_its_exif_orientation_says(tmp_path):
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, :16] = 255  # left half white; "6" means that its left column is to be seen on top
    orientation = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    jpeg = encoded(".jpg", picture)
    segment = b"\xff\xe1" + struct.pack(">H", len(orientation) + 2) + orientation
    (tmp_path / "x.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    turned = read_image(tmp_path / "x.jpg")
    assert turned.shape == (32, 16, 3)
    assert (turned[:14].min() > 250, turned[18:].max() < 5) == (True, True)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_reads_npy_files_as_they_are(tmp_path, channels):
    np.save(tmp_path / "x.npy", noise(4, 5, channels))
    assert np.array_equal(read_image(tmp_path / "x.npy", channels), noise(4, 5, channels))


def test_reads_the_pages_of_a_tiff_as_channels(tmp_path):
    pages = [noise(4, 5, 1, np.uint16), noise(4, 5, 1, np.uint16)[::-1], noise(4, 5, 4, np.uint16)]
    path = tmp_path / "x.tiff"
    assert cv2.imwritemulti(str(path), pages)
    assert np.array_equal(read_image(path, 6), np.dstack([*pages[:2], pages[2][:, :, [2, 1, 0, 3]]]))
    with pytest.raises(ImageError, match=r"x\.tiff: the number of channels is 6 in the image, 5 in the network$"):
        read_image(path, 5)
    assert cv2.imwritemulti(str(path), [*pages[:2], noise(5, 5, 1, np.uint16)])
    with pytest.raises(ImageError, match=r"x\.tiff: its pages cannot be read, or differ in size or type$"):
        read_image(path, 3 + 2)


CUT = "the file is truncated: the end of the image is missing"
NOT_AN_IMAGE = "not an image that OpenCV can read"
THUMBNAIL = b"\xff\xd8\xff\xe1\x00\x04\xff\xd9\xff\xff\xe2\x00\x04\xff\xd9"  # two segments with an end, a filling byte


@pytest.mark.parametrize(
    ("data", "channels", "message"),
    [
        (b"", 3, "the file is empty"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML><title>404</title>", 3, f"{NOT_AN_IMAGE} (it is an HTML page)"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 3, f"{NOT_AN_IMAGE} (it is a video, HEIC or AVIF)"),
        (b"nothing of the kind", 3, f"{NOT_AN_IMAGE} (or it is damaged)"),
        (encoded(".bmp", noise(9, 9, 3))[:-1], 3, f"{NOT_AN_IMAGE} (or it is damaged)"),
        (encoded(".jpg", noise(99, 99, 3))[:-1], 3, CUT),
        (THUMBNAIL + encoded(".jpg", noise(99, 99, 3))[2:2000], 3, CUT),
        (encoded(".jpg", noise(99, 99, 3))[:30], 3, CUT),
        (encoded(".png", noise(99, 99, 3))[:-9], 3, CUT),
        (huge_png(), 3, "OpenCV does not read it: it has over 2^20 px a side or 2^30 px in all"),
        (encoded(".png", BLUE_GREEN_RED), 4, "the number of channels is 3 in the image, 4 in the network"),
        (b"\x93NUMPY\x01\x00", 3, "not a .npy file that NumPy can read (EOF: reading array header length"),
    ],
)
def test_files_that_are_not_images(tmp_path, capfd, data, channels, message):
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_image(path, channels)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert capfd.readouterr().err == "" or not hasattr(cv2.utils, "logging")


def test_a_jpeg_may_hold_segments_and_a_tail(tmp_path):
    jpeg = encoded(".jpg", BLUE_GREEN_RED)
    (tmp_path / "x.jpg").write_bytes(THUMBNAIL + jpeg[2:] + b"tail \xff\xda")
    assert read_image(tmp_path / "x.jpg").shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.jpg", "no such file"), ("", "cannot be read: it is a directory"), ("\0", "cannot be read: embedded null")],
)
def test_paths_that_are_not_files(tmp_path, name, message):
    with pytest.raises(ImageError) as caught:
        read_image(f"{tmp_path}/{name}")
    assert str(caught.value).startswith(f"{tmp_path}/{name}: {message}")


@pytest.mark.skipif(not hasattr(cv2.utils, "logging"), reason="this OpenCV has no log level")
def test_the_log_of_opencv_stays_as_it_was(tmp_path):
    before = cv2.utils.logging.getLogLevel()
    test_reads_by_any_name(tmp_path, "x.png", str)
    assert cv2.utils.logging.getLogLevel() == before


@pytest.mark.skipif(not hasattr(cv2.utils, "logging"), reason="this OpenCV has no log level")
def test_the_log_of_opencv_is_off_while_any_thread_reads(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(encoded(".png", BLUE_GREEN_RED))
    before, together, levels = cv2.utils.logging.getLogLevel(), threading.Barrier(4), []
    decode = cv2.imdecode

    def decode_together(*given):
        together.wait(10)
        sleep(random.random() / 50)  # they leave one after the other
        levels.append(cv2.utils.logging.getLogLevel())
        return decode(*given)

    monkeypatch.setattr(cv2, "imdecode", decode_together)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: read_image(tmp_path / "x.png"), range(20)))
    assert levels == [0] * 20
    assert cv2.utils.logging.getLogLevel() == before
