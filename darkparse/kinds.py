"""What a file is, by its first bytes: to name what is often taken for weights or for an image."""

ZIP, PICKLE, SAFETENSORS = CHECKPOINTS = (
    "a zip archive or a PyTorch checkpoint (.pt)",
    "a pickled PyTorch checkpoint (.pt)",
    "a safetensors file",
)
_KINDS = (  # place, bytes in lower case, name
    (0, b"<?xml", "an XML file"),
    (0, b"<", "an HTML page"),
    (0, b"version https://git-lfs", "a Git LFS pointer, a note in place of the file"),
    (0, b"pk\x03\x04", ZIP),
    *((0, bytes([0x80, protocol]), PICKLE) for protocol in range(2, 6)),
    (0, b"\x89hdf", "an HDF5 file (Keras)"),
    (8, b'{"', SAFETENSORS),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%pdf", "a PDF file"),
    (4, b"ftyp", "a video, HEIC or AVIF"),
    (0, b"[net]", "a cfg file"),
    (0, b"{", "a JSON text"),
)


def recognise(first: bytes) -> str:
    """What a file that begins with these bytes (512 are enough) is, if that is well known; else ""."""
    head = first.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").lower()
    return next((name for place, start, name in _KINDS if head.startswith(start, place)), "")
