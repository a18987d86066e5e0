"""The eigenvalues of the recurrent kernels of a layer in the complex plane, on one page."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lstmdump.report.plot import heads, style, ticks
from lstmdump.report.plot.eigenvalues import GateEigenvalues, LayerEigenvalues
from lstmdump.report.plot.sheet import Sheet, head_height

_RIGHT, _BOTTOM = 0.15, 0.42  # margins, in inches as all that follow
_LABEL, _TICK = 0.26, 0.1  # width of the label on the left, and of the marks of an axis
_SIDE, _TITLE, _GAP = 1.52, 0.42, 0.15  # of a plane, above it, and between two
_NARROWEST_PAGE = 5.0
_BEYOND = 1.08  # the ends of the axes, as a multiple of the largest radius
_MOST_APART = 3  # ratio of the ends of axes of one scale
_FEW = 100  # eigenvalues that are drawn large


def page(layer: LayerEigenvalues, *, with_model: bool = False) -> Figure:
    """Return the eigenvalues of `layer`, headed by its name and, if `with_model`, the path of its model.

    The planes have one scale, unless the largest radius is several times the smallest: each shows the unit circle.
    """
    ends = [_BEYOND * max(1.0, gate.radius or 0.0) for gate in layer.gates]
    is_common = not ends or max(ends) <= _MOST_APART * min(ends)
    if is_common:
        ends = [max(ends)] * len(ends) if ends else []
    numbers = [ticks.choose(-end, end, _SIDE, _GAP) for end in ends]
    beside = _TICK + ticks.DIGIT * max((len(ticks.label(one)) for some in numbers for one in some), default=0)
    left, step = _LABEL + beside, _SIDE + _GAP + (0.0 if is_common else beside)
    lines = list(heads.write(layer.description, with_model=with_model, has_biases=False))
    lines += _list_remarks(layer, is_common=is_common)
    width = max(left + max(len(ends) - 1, 0) * step + _SIDE + _RIGHT, _NARROWEST_PAGE)
    sheet = Sheet(width, head_height(lines) + (_TITLE + _SIDE + _BOTTOM if ends else _BOTTOM), left)
    sheet.write(lines)
    sheet.top += _TITLE
    for place, gate in enumerate(layer.gates):
        axes = sheet.add_axes(left + place * step, _SIDE, _SIDE)
        _draw(axes, gate)
        _set_scales(axes, ends[place], numbers[place], has_labels=place == 0 or not is_common)
        if place == 0:
            axes.set_ylabel("imaginary part")
            axes.yaxis.set_label_coords((0.6 * _LABEL - left) / _SIDE, 0.5)
    return sheet.figure


def _list_remarks(layer: LayerEigenvalues, *, is_common: bool) -> Iterator[str]:
    if layer.reason is not None:
        yield f"no eigenvalues of U: {layer.reason}"
        return
    yield "eigenvalues of U · solid: unit circle · dashed: spectral radius"
    if not is_common:
        yield "each gate has a scale of its own"


def _draw(axes: Axes, gate: GateEigenvalues) -> None:
    axes.set_title(f"{gate.name}  {gate.shape}", pad=13)
    radius = gate.radius
    about = "not finite: no eigenvalues" if radius is None else f"spectral radius {radius:.4g}"
    axes.annotate(about, (0.5, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", ha="center",
                  color=style.FAINT, fontsize=6)  # fmt: skip
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=style.FAINT, linewidth=0.6))
    if radius is not None:
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=style.INK, linewidth=0.7, linestyle=(0, (4, 3))))
    axes.plot(gate.values.real, gate.values.imag, linestyle="", marker="o", markeredgewidth=0, color=style.BAR,
              markersize=3 if gate.values.size <= _FEW else 1.5)  # fmt: skip


def _set_scales(axes: Axes, end: float, numbers: list[float], *, has_labels: bool) -> None:
    axes.set(xlim=(-end, end), ylim=(-end, end), xlabel="real part")
    labels = [ticks.label(number) for number in numbers]
    axes.set_xticks(numbers, labels=labels)
    axes.set_yticks(numbers, labels=labels if has_labels else [])
    axes.spines[:].set_visible(True)
