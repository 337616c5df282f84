"""The overload curve as a picture, in SVG: no library, and the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 70, 40, 50
STEPS = 5
"""Lines of the grid in each direction."""


def ceiling(value: float) -> float:
    """Return the smallest 1, 2, 2.5, 5 or 10 times a power of ten that is not smaller."""
    scale = 1e-3
    while scale < 1e9:
        for step in (1, 2, 2.5, 5):
            if value <= step * scale * (1 + 1e-9):
                return step * scale
        scale *= 10
    return scale


class Plane:
    """Turns values into places on the picture."""

    def __init__(self, largest_x: float, largest_y: float) -> None:
        self.x, self.y = ceiling(largest_x), ceiling(largest_y)

    def place(self, x: float, y: float) -> str:
        """Return the coordinates of a point, bounded by the frame."""
        across = LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, x / self.x)
        down = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, y / self.y)
        return f"{across:.1f},{down:.1f}"

    def line(self, xs: Sequence[float], ys: Sequence[float], style: str) -> str:
        """Return a line through points."""
        points = " ".join(self.place(x, y) for x, y in zip(xs, ys, strict=True))
        return f'<polyline fill="none" {style} points="{points}"/>'


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Return words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'


def grid(plane: Plane, lag: Plane) -> list[str]:
    """Return the lines of the grid, and the numbers at them."""
    parts = []
    for step in range(STEPS + 1):
        share = step / STEPS
        across, down = LEFT + (WIDTH - LEFT - RIGHT) * share, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
        parts.append(
            f'<path stroke="#ddd" d="M{LEFT},{down:.1f}H{WIDTH - RIGHT}M{across:.1f},{TOP}V{HEIGHT - BOTTOM}"/>'
        )
        parts.append(text(across, HEIGHT - BOTTOM + 18, f"{plane.x * share:,.0f}", 'text-anchor="middle"'))
        parts.append(text(LEFT - 8, down + 4, f"{plane.y * share:,.0f}", 'text-anchor="end" fill="#0b62a4"'))
        parts.append(text(WIDTH - RIGHT + 8, down + 4, f"{1e3 * lag.y * share:,.0f} ms", 'fill="#b1380d"'))
    return parts


def draw(title: str, columns: Mapping[str, Sequence[float]]) -> str:
    """Return the picture of one curve: achieved rate (blue) and lag p99 (red) over the offered rate."""
    offered, achieved, lag = columns["offered"], columns["achieved"], columns["lag_p99"]
    plane = Plane(max(offered), max(achieved))
    late = Plane(max(offered), max(lag))
    diagonal = min(plane.x, plane.y)
    frame = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 22, title, 'font-size="14" font-weight="bold"'),
        *grid(plane, late),
        plane.line((0.0, diagonal), (0.0, diagonal), 'stroke="#999" stroke-dasharray="4 4"'),
        plane.line(offered, achieved, 'stroke="#0b62a4" stroke-width="2"'),
        late.line(offered, lag, 'stroke="#b1380d" stroke-width="2"'),
        text(WIDTH / 2, HEIGHT - 12, "offered probes per second", 'text-anchor="middle"'),
        text(WIDTH - RIGHT, 22, "probes a second that were made", 'text-anchor="end" fill="#0b62a4"'),
        text(WIDTH - RIGHT, 36, "reactor lag, p99", 'text-anchor="end" fill="#b1380d"'),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
