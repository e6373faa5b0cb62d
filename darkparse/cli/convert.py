"""darkparse convert."""

from __future__ import annotations

from typing import Any

import click

from .arguments import by_suffix, holds_weights, show_notes


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG WEIGHTS OUT | MODEL OUT")
@click.option("--names", help="File with the names of the classes.")
@click.option("--data", help=".data file that names it.")
@click.option("--width", type=click.IntRange(1), help="Width of the network's input, px, in place of the cfg's.")
@click.option("--height", type=click.IntRange(1), help="Height of it.")
@click.option("--layers", type=click.IntRange(1), help="Of .weights: only so many of the first layers.")
@click.option(
    "--with",
    "tail",
    type=click.Choice(["raw", "decode", "nms"]),
    help="Of .onnx: what it gives: raw outputs (the default), boxes and scores, or what is left after NMS.",
)
@click.option("--batch", type=click.IntRange(1), help="Of .onnx: so many images, and no others.  [default: any number]")
@click.option("--fixed-size", is_flag=True, help="Of .onnx: only images of the network's size.")
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
def convert(files: tuple[str, ...], **options: Any) -> None:
    """Write a network with its weights as another kind of file, by the suffix of OUT, the last argument.

    \b
    .pt, .safetensors    one file for darkparse: tensors, cfg, names, header
    .weights             back, bit by bit; from a MODEL also the .cfg beside it
    NAME.conv.N          weights of the first N layers
    .onnx                for other programs; checked with ONNX Runtime
    .torchscript, .pt2   for PyTorch without darkparse

    CFG and WEIGHTS may come in either order.  A MODEL is a .pt or .safetensors.  With a CFG, WEIGHTS may also be the
    checkpoint of another PyTorch program that reads cfgs (pytorchyolo, ultralytics' archive branch).
    """
    from ..convert import Wanted
    from ..convert import convert as run

    *given, out = files
    cfg, source, others = by_suffix(given, options)
    if second := next((name for name in others if holds_weights(name)), ""):
        raise click.UsageError(f"expected one file of weights, got {source} and {second}, and then the file to write")
    cfg = cfg or (others.pop(0) if others else "")
    if not source or others:
        raise click.UsageError(
            "expected a .cfg and its .weights, or one .pt or .safetensors, and then the file to write"
        )
    strict = options.pop("strict")
    show_notes(*run(cfg, source, out, Wanted(**options), strict=strict))
