"""Draws the pictures of the pages: boxes, words and arrows as SVG that reads well on a light and on a dark screen.

Nothing here depends on a clock, a font file or a library: the same picture is always the same text.
"""

from html import escape

STYLE = """\
.card{fill:#fbfaf8} text{fill:#1f2328;font-family:system-ui,sans-serif} .dim{fill:#59636e} .code{font-family:monospace}
.plain{fill:#ffffff;stroke:#7b8591} .area{fill:#eef1f4;stroke:#b6bec7} .good{fill:#d5f0dc;stroke:#2c8a4b}
.bad{fill:#f9dcdc;stroke:#bd3b3b} .wait{fill:#fbeecb;stroke:#a87b12} .cool{fill:#dbe9fb;stroke:#2f6fbf}
.line{fill:none;stroke:#444c56} .head{fill:#444c56} .bar{fill:#2c8a4b;stroke:none}
.cord{fill:none;stroke:#2f6fbf}
@media (prefers-color-scheme:dark){
.card{fill:#15191e} text{fill:#e6e9ec} .dim{fill:#9aa4af}
.plain{fill:#20262d;stroke:#7b8591} .area{fill:#1a2027;stroke:#3f4953} .good{fill:#173a24;stroke:#4fb870}
.bad{fill:#451d1f;stroke:#e06c6c} .wait{fill:#40330e;stroke:#d1a63a} .cool{fill:#17304f;stroke:#66a3ec}
.line{stroke:#aab3bd} .head{fill:#aab3bd} .bar{fill:#4fb870} .cord{stroke:#66a3ec}}"""

HEAD = (
    '<defs><marker id="end" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path class="head" d="M0 0 L10 5 L0 10 z"/></marker></defs>'
)
"""Of arrows."""

GLYPH = 0.57
"""Width of a letter, on average, in heights of the font: somewhat more than fonts have, so that words fit."""

MONOSPACE = 0.61


def width_of(words, size, kind=""):
    """Return about how wide a line of text is."""
    return len(words) * size * (MONOSPACE if "code" in kind else GLYPH)


class Drawing:
    """A picture that grows piece by piece; `text` is the file."""

    def __init__(self, width, height, title, about):
        self._width, self._height = width, height
        self._pieces = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(about)}</desc>",
            f"<style>\n{STYLE}\n</style>",
            HEAD,
            f'<rect class="card" width="{width}" height="{height}" rx="8"/>',
        ]

    @property
    def text(self):
        return "\n".join([*self._pieces, "</svg>", ""])

    def words(self, x, y, words, size=13, kind="", anchor="start", weight=""):
        """Write a line; it must stay within the picture."""
        wide = width_of(words, size, kind)
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        assert left >= 0, f"too far left: {words}"
        assert left + wide <= self._width, f"too far right: {words}"
        assert size <= y <= self._height, f"too high or too low: {words}"
        more = (f' class="{kind}"' if kind else "") + (f' font-weight="{weight}"' if weight else "")
        place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"'
        self._pieces.append(f"<text {place}{more}>{escape(words)}</text>")

    def area(self, x, y, width, height, kind="plain", radius=6, *, dashed=False):
        """Draw an empty box."""
        more = ' stroke-dasharray="5 4"' if dashed else ""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"'
        self._pieces.append(f'<rect class="{kind}" {place}{more}/>')

    def box(self, x, y, width, height, lines, kind="plain", size=13, inner=""):
        """Draw a box with lines of text in its middle; the first is bold if there are more."""
        self.area(x, y, width, height, kind)
        step = size * 1.35
        base = y + height / 2 - step * (len(lines) - 1) / 2 + size * 0.36
        for index, line in enumerate(lines):
            first = index == 0
            wide = width_of(line, size if first else size - 1, "" if first else inner)
            assert wide <= width, f"does not fit: {line}"
            bold = "bold" if first and len(lines) > 1 else ""
            if first:
                self.words(x + width / 2, base, line, size, "", "middle", bold)
            else:
                self.words(x + width / 2, base + step * index, line, size - 1, f"dim {inner}".strip(), "middle")

    def cells(self, x, y, size, cells, kind):
        """Paint some cells of a grid, given as pairs of row and column."""
        path = "".join(f"M{x + column * size:g} {y + row * size:g}h{size}v{size}h-{size}z" for row, column in cells)
        self._pieces.append(f'<path class="{kind}" d="{path}"/>')

    def arrow(self, path, kind="line", *, both=False, dashed=False):
        """Draw an arrow along a path (SVG's own letters)."""
        more = (' marker-start="url(#end)"' if both else "") + (' stroke-dasharray="5 4"' if dashed else "")
        self._pieces.append(f'<path class="{kind}" stroke-width="1.4" d="{path}" marker-end="url(#end)"{more}/>')

    def line(self, path, width):
        """Draw a line without a head."""
        self._pieces.append(f'<path class="line" stroke-width="{width:g}" d="{path}"/>')
