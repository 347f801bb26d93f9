"""The graph that a tensor came from, as text for DOT or Mermaid and as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .errors import GraphError
from .graph import Node
from .tensor import Tensor

_COLORS = {"operation": "#DCE9F5", "parameter": "#FBE3CF", "leaf": "#E6E6E6", "result": "#D5EDDC"}


class Box(NamedTuple):
    """A place in the graph: its text, its shape, and its kind (operation, parameter, leaf, result)."""

    label: str
    shape: tuple[int, ...]
    kind: str

    def text(self, newline: str) -> str:
        """Label and shape."""
        return f"{self.label}{newline}{self.shape}"


class Drawing:
    """Boxes, and the arrows between them from operands to results, by the boxes' numbers."""

    def __init__(self, boxes: list[Box], arrows: list[tuple[int, int]]) -> None:
        self.boxes = boxes
        self.arrows = arrows

    def dot(self) -> str:
        """In Graphviz's language."""
        lines = ["digraph {", '  node [shape=box style="rounded,filled" fontname="sans-serif"]']
        for i, box in enumerate(self.boxes):
            label = box.text("\\n").replace('"', '\\"')
            lines.append(f'  n{i} [label="{label}" fillcolor="{_COLORS[box.kind]}"]')
        lines += [f"  n{a} -> n{b}" for a, b in self.arrows]
        return "\n".join([*lines, "}"])

    def mermaid(self) -> str:
        """In the language of Mermaid, which GitHub draws in Markdown."""
        lines = ["flowchart TD"]
        for i, box in enumerate(self.boxes):
            label = box.text("<br>").replace('"', "&quot;")
            lines.append(f'  n{i}["{label}"]:::{box.kind}')
        lines += [f"  n{a} --> n{b}" for a, b in self.arrows]
        lines += [f"  classDef {kind} fill:{color},stroke:#555" for kind, color in _COLORS.items()]
        return "\n".join(lines)

    def _rows(self) -> list[int]:
        """The row of each box: operations below all their operands, leaves just above their first user."""
        rows = [0] * len(self.boxes)
        for a, b in self.arrows:  # in the order of the results, which follow their operands
            rows[b] = max(rows[b], rows[a] + 1)
        for i, box in enumerate(self.boxes):
            users = [rows[b] for a, b in self.arrows if a == i]
            if box.kind in ("parameter", "leaf") and users:
                rows[i] = min(users) - 1
        return rows

    def _paths(self, rows: list[int]) -> tuple[list[int], list[list[int]]]:
        """Each arrow as the places that it goes through, with one of its own in every row between its boxes.

        Returns the rows of all places, those of the boxes first, and the paths.
        """
        places = list(rows)
        paths = []
        for a, b in self.arrows:
            bends = range(len(places), len(places) + rows[b] - rows[a] - 1)
            places += range(rows[a] + 1, rows[b])
            paths.append([a, *bends, b])
        return places, paths

    def _columns(self, rows: list[int], paths: list[list[int]]) -> list[float]:
        """Where in its row each place is: near the middle of those that it is joined to."""
        near: list[list[int]] = [[] for _ in rows]
        for path in paths:
            for a, b in itertools.pairwise(path):
                near[a].append(b)
                near[b].append(a)
        columns = [0.0] * len(rows)
        order = {r: [i for i, row in enumerate(rows) if row == r] for r in sorted(set(rows))}
        for sweep in range(12):
            for row in sorted(order, reverse=bool(sweep % 2)):
                members = order[row]
                wish = {i: sum(columns[j] for j in near[i]) / max(len(near[i]), 1) for i in members}
                members.sort(key=lambda i: (wish[i], i))
                centre = sum(wish.values()) / len(wish)
                for place, i in enumerate(members):
                    columns[i] = centre + place - (len(members) - 1) / 2
        return columns

    def plot(self, path: str | Path) -> None:
        """Draw it into a file whose name says the format: png, svg or pdf."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows, paths = self._paths(self._rows())
        columns = self._columns(rows, paths)
        left, right = min(columns), max(columns)
        width, height = 1.5, 0.9
        size = (right - left + 1) * width, (max(rows) + 1) * height
        figure = Figure(size, dpi=150)
        FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_xlim((left - 0.5) * width, (right + 0.5) * width)
        ax.set_ylim(-(max(rows) + 0.5) * height, 0.5 * height)
        ax.axis("off")
        points = [(c * width, -r * height) for c, r in zip(columns, rows, strict=True)]
        texts = []
        for point, box in zip(points, self.boxes, strict=False):
            style = {"boxstyle": "round,pad=0.35", "fc": _COLORS[box.kind], "ec": "#555"}
            align: dict = {"ha": "center", "va": "center", "fontsize": 9, "bbox": style}
            texts.append(ax.text(*point, box.text("\n"), zorder=3, **align))
        for places in paths:
            *bends, last, end = places
            line = [points[i] for i in (*bends, last)]
            ax.plot(*zip(*line, strict=True), color="#555", lw=1, zorder=1)
            patch = texts[last].get_bbox_patch() if last < len(texts) else None
            arrow = {"arrowstyle": "-|>", "color": "#555", "lw": 1, "shrinkA": 0, "shrinkB": 1}
            arrow |= {"patchA": patch, "patchB": texts[end].get_bbox_patch()}
            ax.annotate("", points[end], points[last], arrowprops=arrow, zorder=2)
        figure.draw_without_rendering()  # arrows end where boxes begin, which is known then
        figure.savefig(path)

    def __repr__(self) -> str:
        return f"<graph of {len(self.boxes)} boxes: .dot(), .mermaid(), .plot(path)>"


def graph(output: Tensor | tuple | list, params: Mapping[str, Tensor] | None = None) -> Drawing:
    """The operations that ``output`` (a tensor, or several) came from, with names and shapes.

    ``params``: names of leaves, such as ``dict(model.named_parameters())``.
    """
    outputs = [output] if isinstance(output, Tensor) else list(output)
    names = {id(t): name for name, t in (params or {}).items()}
    ends = []
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"graph: expected Tensors, got {type(y).__name__}")
        if not y.requires_grad:
            raise GraphError("graph: expected a tensor with history, got one that requires no grad")
        ends.append(y._edge())
    numbers: dict[Any, int] = {}
    boxes: list[Box] = []
    arrows: list[tuple[int, int]] = []
    # Depth first without recursion: a node is entered when all its operands have a number.
    stack: list[tuple[Any, bool]] = [(end, False) for end in reversed(ends)]
    while stack:
        edge, ready = stack.pop()
        if edge in numbers:
            continue
        if isinstance(edge, Node) and not ready:
            stack.append((edge, True))
            stack += [
                (e, False) for e in reversed(edge.edges) if e is not None and e not in numbers
            ]
            continue
        numbers[edge] = len(boxes)
        shape = tuple(edge.shape)
        if isinstance(edge, Node):
            name = edge.op.name.lstrip("_")
            boxes.append(Box(name, shape, "result" if edge in ends else "operation"))
            arrows += [(numbers[e], numbers[edge]) for e in edge.edges if e is not None]
        elif id(edge) in names:
            boxes.append(Box(names[id(edge)], shape, "parameter"))
        else:
            boxes.append(Box("leaf", shape, "leaf"))
    return Drawing(boxes, arrows)
