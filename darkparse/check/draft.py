"""A cfg as it is checked: mended in memory, so that the rules go on and no cause is told of twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..cfg import Entry, Section
from ..cfg_edit import CfgText, Value
from ..dialect import ALEXEYAB, Dialect
from ..errors import CfgError, Location, ignore
from ..findings import ERROR, Finding
from ..net import Net
from ..options import read_options
from ..registry import HeadDef, LayerDef, define

Edit = Callable[[CfgText], None]


@dataclass
class Draft:
    """What the rules look at and change.

    sections: as the cfg should have them; their lines are those of the file
    layers: their definitions, by number of the section, [net] being 0; where one is wrong, none
    unsure: numbers of sections of which the size of the output is not known
    wrong: lines with an error; findings: what is wrong; edits: what would mend the text of the file
    trains: whether the user means to train, so that it matters what is only a matter of training
    """

    file: str
    sections: list[Section] = field(default_factory=list)
    dialect: Dialect = ALEXEYAB
    trains: bool = False
    layers: dict[int, LayerDef] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)
    wrong: set[int] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    @property
    def net(self) -> Net | None:
        """The options of [net]; None where they cannot be read."""
        try:
            return read_options(Net, self.sections[0], ignore) if self.sections else None
        except CfgError:
            return None

    @property
    def heads(self) -> dict[int, HeadDef]:
        """The layers whose outputs mean boxes, by number of their section."""
        return {number: layer for number, layer in sorted(self.layers.items()) if isinstance(layer, HeadDef)}

    def where(self, number: int, *options: str) -> Location:
        """The place of the first of `options` that section `number` has, or else of the section."""
        section = self.sections[number]
        return section.where(next((name for name in options if name in section.entries), *options[:1]))

    def tell(self, rule: str, severity: str, where: Location, message: str, remedy: str = "") -> None:
        """Add a finding; of the errors of a line the first counts, as the others may follow from it."""
        place = f"[{where.section}] {where.option}".rstrip() + ": " if where.section else ""
        if severity != ERROR or where.line not in self.wrong:
            self.findings.append(Finding(rule, severity, where.file, where.line, place + message, remedy))
        if severity == ERROR:
            self.wrong.add(where.line)

    def suppose(self, number: int, key: str, value: Value) -> None:
        """Go on as if an option had another value."""
        section = self.sections[number]
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        text = ",".join(map(str, values))
        entry = Entry(text, section.where(key).line)
        self.sections[number] = replace(section, entries={**section.entries, key: entry})
        if number in self.layers:
            self.layers[number] = define(self.sections[number], self.dialect, ignore)

    def set(self, number: int, key: str, value: Value) -> None:
        """Give an option another value, in the file, too."""
        self.suppose(number, key, value)
        self.edits.append(partial(CfgText.set_option, section=number, key=key, value=value))

    def forget(self, number: int, key: str) -> None:
        """Go on as if an option were not given."""
        section = self.sections[number]
        entries = {name: entry for name, entry in section.entries.items() if name != key}
        self.sections[number] = replace(section, entries=entries)

    def rename(self, number: int, key: str, name: str) -> None:
        """Give an option another name, in the file, too."""
        section = self.sections[number]
        entries = {name if one == key else one: entry for one, entry in section.entries.items()}
        self.sections[number] = replace(section, entries=entries)
        self.edits.append(partial(CfgText.rename_option, section=number, key=key, name=name))

    def rename_section(self, number: int, name: str) -> None:
        """Make a section one of another kind, in the file, too."""
        self.sections[number] = replace(self.sections[number], name=name)
        self.edits.append(partial(CfgText.rename_section, section=number, name=name))
