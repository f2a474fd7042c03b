"""Draws the floors of layers.txt as an SVG: a building whose rooms have floors of their own."""
from html import escape

GAP, ROOM, TITLE, LETTER = 6, 26, 22, 7.4  # pixels
COLOURS = ("#ffffff", "#e8eef7", "#fdf6e3", "#eaf5ea")  # of each depth


class Room:
    """A folder: its files, or the floors inside it; "." are files beside folders."""

    def __init__(self, floors, heading, name, depth):
        path = f"{heading}/{name}" if heading else name
        self.name, self.depth = "files beside these" if name == "." else name, depth
        self.rows = {}
        for inner, floor in floors.get(path, {}).items() if name != "." else ():
            self.rows.setdefault(floor, []).append(Room(floors, path, inner, depth + 1))
        self.width = len(self.name) * LETTER + 4 * GAP
        self.height = ROOM
        if self.rows:
            self.width = max(self.width, *(row_width(row) for row in self.rows.values())) + 2 * GAP
            self.height = (TITLE if self.name else GAP) + sum(row_height(row) + GAP for row in self.rows.values())

    def draw(self, x, y, width, height):
        """SVG elements of this room, at least as large as it needs."""
        yield (f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="3" '
               f'fill="{COLOURS[self.depth % len(COLOURS)]}" stroke="#57606a"/>')
        baseline = y + (15 if self.rows else height / 2 + 4)
        yield f'<text x="{x + width / 2:.0f}" y="{baseline:.0f}">{escape(self.name)}</text>'
        y += TITLE if self.name else GAP
        spare = (height - self.height) / max(len(self.rows), 1)
        for row in self.rows.values():
            tall = row_height(row) + spare
            wider = (width - 2 * GAP - row_width(row)) / len(row)
            left = x + GAP
            for room in row:
                yield from room.draw(left, y, room.width + wider, tall)
                left += room.width + wider + GAP
            y += tall + GAP


def row_width(row):
    return sum(room.width for room in row) + GAP * (len(row) - 1)


def row_height(row):
    return max(room.height for room in row)


def draw_layers(floors):
    house = Room(floors, "", "", 0)
    size = f'width="{house.width:.0f}" height="{house.height:.0f}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" text-anchor="middle">',
        "<title>Folders of src/ and kernels/; each includes only what is on floors below</title>",
        *house.draw(0, 0, house.width, house.height), "</svg>", ""])
