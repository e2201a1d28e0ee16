"""A still picture of class maps, as SVG that stands in the page and so takes its text colour and its theme."""

import base64
from html import escape
from io import BytesIO

from PIL import Image

TILE, GAP, LINE, ACROSS = 90, 14, 19, 5  # of the drawing, 520 wide: its text is 9 pixels high on a phone


def png(image):
    """A grey image, uint8 (rows, columns), as a data: address."""
    file = BytesIO()
    Image.fromarray(image.numpy()).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def cells(class_map, x, y, limit):
    """One map (n, n) over its tile: orange for the class; purple, with a minus, against it; all colour at the limit."""
    step = TILE / len(class_map)
    for i, row in enumerate(class_map.tolist()):
        for j, value in enumerate(row):
            strength = min(1, abs(value) / limit)
            if strength < 0.03:
                continue
            left, top = x + j * step, y + i * step
            colour = "#ff8c00" if value > 0 else "#8c5ae6"
            yield (f'<rect x="{left:g}" y="{top:g}" width="{step:g}" height="{step:g}" fill="{colour}" '
                   f'fill-opacity="{0.8 * strength:.2f}"/>')
            if value < 0 and strength > 0.15:
                yield f'<path d="M{left + step / 3:.4g} {top + step / 2:g}h{step / 3:.3g}" stroke="#fff"/>'


def drawing(name, image, maps, titles, texts, best, words):
    """Maps (k, n, n) over an image, uint8 (28, 28), as lines of SVG without an empty one.

    A title stands above each map and a text below it; `best` is the map with a frame; `words` say what is seen. A page
    may hold several drawings, if each has a `name` of its own.
    """
    tall = TILE + 2 * LINE + GAP
    limit = max(maps.abs().max().item(), 1e-6)
    lines = [f'<svg class="still" viewBox="-2 0 {ACROSS * (TILE + GAP)} {-(-len(maps) // ACROSS) * tall}" '
             f'role="img" aria-label="{escape(words)}" font-size="14" fill="currentColor" '
             'shape-rendering="crispEdges">',
             f'<defs><image id="{name}" width="{TILE}" height="{TILE}" style="image-rendering: pixelated" '
             f'href="{png(image)}"/></defs>']
    for k, (title, text) in enumerate(zip(titles, texts, strict=True)):
        x, y = k % ACROSS * (TILE + GAP), k // ACROSS * tall + LINE
        weight = ' font-weight="700"' if k == best else ""
        lines.append(f'<text x="{x}" y="{y - 5}"{weight}>{escape(title)}</text><use href="#{name}" x="{x}" y="{y}"/>')
        lines.append("".join(cells(maps[k], x, y, limit)))
        if k == best:
            lines.append(f'<rect x="{x}" y="{y}" width="{TILE}" height="{TILE}" fill="none" class="still-best"/>')
        lines.append(f'<text x="{x}" y="{y + TILE + 14}">{escape(text)}</text>')
    return "\n".join(line for line in [*lines, "</svg>"] if line)
