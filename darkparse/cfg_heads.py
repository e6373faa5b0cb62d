"""What the heads of a cfg need of the section before them.  Needs no graph: while they lack it there is none."""

from typing import NamedTuple

from . import layers as _layers  # noqa: F401  (fills the registry)
from .cfg import Section
from .cfg_edit import CfgText
from .errors import GraphError, ignore
from .registry import HeadDef, define, registered


class Feeder(NamedTuple):
    """A section whose output a head reads; sections are counted from 0, which is [net].

    section, head: their numbers; option: says how many channels (or values) the section gives; wanted: how many
    """

    section: int
    head: int
    option: str
    wanted: int


def heads(sections: list[Section]) -> dict[int, HeadDef]:
    """The heads of a cfg by the number of their section.

    Raises:
        OptionError: an option of one is wrong
    """
    found = {}
    for number, section in enumerate(sections):
        if issubclass(registered().get(section.name, object), HeadDef):
            head = define(section, complain=ignore)
            assert isinstance(head, HeadDef)
            found[number] = head
    return found


def feeders(sections: list[Section]) -> list[Feeder]:
    """What gives each head of a cfg its input.

    Raises:
        OptionError: an option of a head is wrong
        GraphError: the section before a head has no option that says how many channels it gives
    """
    found = []
    for number, head in heads(sections).items():
        before = registered().get(sections[number - 1].name)
        if before is None or not before.width_option:
            name = sections[number - 1].name
            raise GraphError(
                f"expected [convolutional] or [connected] before it, got [{name}]", sections[number].where()
            )
        found.append(Feeder(number - 1, number, before.width_option, head.reads))
    return found


def fit_filters(text: CfgText) -> list[Feeder]:
    """Make the section before each head give as many channels as that reads; those that were changed.

    Raises:
        CfgError: as for `feeders`
    """
    sections = text.sections(ignore)
    changed = []
    for feeder in feeders(sections):
        entry = sections[feeder.section].entries.get(feeder.option)
        if entry is None or entry.value.partition("#")[0] != str(feeder.wanted):
            text.set_option(feeder.section, feeder.option, feeder.wanted)
            changed.append(feeder)
    return changed
