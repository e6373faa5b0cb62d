"""The packages `onnx` and `onnxruntime`, which are an extra."""

from importlib import import_module
from types import ModuleType

from ..errors import DarkparseError


def package(name: str) -> ModuleType:
    """`onnx` or `onnxruntime`.

    Raises:
        DarkparseError: it is not installed
    """
    try:
        return import_module(name)
    except ImportError:
        raise DarkparseError(f"ONNX needs {name}, which is not installed: pip install 'darkparse[onnx]'") from None
