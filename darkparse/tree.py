"""The class trees of YOLO9000: which class is a kind of which."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .cfg import Companions
from .errors import brief

NOT_MEANT = -1234.0  # src/utils.h SECRET_NUM: in a truth, a class whose group it does not tell of


@dataclass(frozen=True)
class Tree:
    """A tree of classes; siblings stand side by side and form a group.

    names: one a node; parents: `(N,)` index of each node's parent, -1 at the root;
    groups: `(N,)` number of the group that each node is in, in file order
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    groups: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.parents)

    @cached_property
    def levels(self) -> list[np.ndarray]:
        """Indices of the nodes at each depth below the root's children, `(n,)` each, shallow first."""
        depths = np.zeros(len(self), dtype=np.int64)
        for node, parent in enumerate(self.parents):
            depths[node] = depths[parent] + 1 if parent >= 0 else 0
        return [np.flatnonzero(depths == depth) for depth in range(1, int(depths.max(initial=0)) + 1)]

    @cached_property
    def paths(self) -> np.ndarray:
        """Each node, its parent, and so on to the root, which is repeated to the end of the row: `(N, D)`."""
        parents, path = np.array(self.parents), [np.arange(len(self))]
        for _ in self.levels:
            above = parents[path[-1]]
            path.append(np.where(above < 0, path[-1], above))
        return np.stack(path, 1)

    @cached_property
    def offsets(self) -> np.ndarray:
        """First node of each group, `(G,)`."""
        return np.unique(np.array(self.groups), return_index=True)[1]

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of nodes of each group, `(G,)`."""
        return np.bincount(np.array(self.groups))

    @cached_property
    def children(self) -> np.ndarray:
        """The group below each node, `(N,)`; -1 where there is none."""
        child = np.full(len(self), -1, dtype=np.int64)
        for group, first in enumerate(self.offsets):
            if (parent := self.parents[first]) >= 0:
                child[parent] = group
        return child


def read_tree(name: str, companions: Companions) -> Tree:
    """The tree in the file that the option `tree=` names.

    Args:
        companions: where it is
    Raises:
        ValueError: the file is missing, or a line is not `name parent`
    Source: src/tree.c read_tree (AlexeyAB 59596d7)
    """
    path, lines = _lines(name, companions)
    names: list[str] = []
    parents: list[int] = []
    groups: list[int] = []
    for number, line in enumerate(lines, 1):
        node, parent = _node(line, number, path)
        if not -1 <= parent < len(names):
            raise ValueError(f"{path}:{number}: parent {parent} is not an earlier line")
        if parents and parent != parents[-1] and parent in parents:
            raise ValueError(f"{path}:{number}: the children of {parent} do not stand side by side")
        if not parents or parent != parents[-1]:
            groups.append(groups[-1] + 1 if groups else 0)
        else:
            groups.append(groups[-1])
        names.append(node)
        parents.append(parent)
    if not names or parents[0] != -1:
        raise ValueError(f"{path}: expected a tree, a line 'name parent' for each class")
    return Tree(tuple(names), tuple(parents), tuple(groups))


def read_map(name: str, companions: Companions) -> tuple[int, ...]:
    """The node of the tree for each class of a data set, from the file that `map=` names.

    Raises:
        ValueError: the file is missing, or a line is not a number
    Source: src/utils.c read_map (AlexeyAB 59596d7)
    """
    path, lines = _lines(name, companions)
    try:
        return tuple(int(line) for line in lines)
    except ValueError:
        raise ValueError(f"{path}: expected a number on each line") from None


def _lines(name: str, companions: Companions) -> tuple[str, list[str]]:
    place, text = companions.read(name)
    return place, [line.strip() for line in text.split("\n") if line.strip()]


def _node(line: str, number: int, path: str) -> tuple[str, int]:
    try:
        name, parent = line.split()
        return name, int(parent)
    except ValueError:
        raise ValueError(f"{path}:{number}: expected 'name parent', got {brief(line)}") from None
