"""Reads the report as a person does: tables by heading, and marks of charts in the units of the data."""

import xml.etree.ElementTree as ET
from pathlib import Path

from gnomon import codec
from gnomon.cli import main
from gnomon.events import Comparison

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


def write_comparisons(path: Path, rows: list[Comparison]) -> Path:
    path.write_bytes(b"".join(codec.encode(row) + b"\n" for row in rows))
    return path


def page_of(comparisons: Path, *further: str) -> ET.Element:
    out = comparisons.with_suffix(".html")
    main(["verdict", "--comparisons", str(comparisons), "--html", str(out), *further])
    return parse(out.read_text())


def parse(text: str) -> ET.Element:
    assert text.startswith("<!DOCTYPE html>")
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>"))  # noqa: S314  our own page


def table_after(root: ET.Element, heading: str) -> list[dict[str, str]]:
    """The first table after a heading, as a dictionary for each row."""
    found = False
    for each in root.iter():
        if each.tag in {f"{HTML}h1", f"{HTML}h2", f"{HTML}h3"}:
            found = "".join(each.itertext()).startswith(heading)
        if found and each.tag == f"{HTML}table":
            return [
                {cell.attrib["data-label"]: "".join(cell.itertext()) for cell in row}
                for row in each.iter(f"{HTML}tr")
                if row.find(f"{HTML}td") is not None
            ]
    raise AssertionError(f"no table after {heading!r}")


def chart(root: ET.Element, label: str) -> ET.Element:
    """The chart whose title is ``label``."""
    (found,) = [svg for svg in root.iter(f"{SVG}svg") if svg.findtext(f"{SVG}title") == label]
    return found


def frame_of(picture: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the frame, in pixels."""
    (frame,) = [each for each in picture.iter(f"{SVG}rect") if each.get("class") == "frame"]
    left, top, width, height = (float(frame.attrib[k]) for k in ("x", "y", "width", "height"))
    return left, top, left + width, top + height


def dots(picture: ET.Element, low: float, high: float) -> list[float]:
    """Where the points are on a horizontal axis from ``low`` to ``high``."""
    left, _, right, _ = frame_of(picture)
    return [
        low + (high - low) * (float(each.attrib["cx"]) - left) / (right - left)
        for each in picture.iter(f"{SVG}circle")
    ]


def line_heights(picture: ET.Element, number: int, low: float, high: float) -> list[float]:
    """The values of one line on a vertical axis from ``low`` to ``high``."""
    _, top, _, bottom = frame_of(picture)
    points = list(picture.iter(f"{SVG}polyline"))[number].attrib["points"].split()
    return [
        low + (high - low) * (bottom - float(point.split(",")[1])) / (bottom - top)
        for point in points
    ]


def numbers(text: str) -> list[float]:
    """The numbers in a cell; per cent as a share."""
    scale = 0.01 if "%" in text else 1.0
    found = []
    for word in text.replace("%", " ").split():
        try:
            found.append(float(word) * scale)
        except ValueError:
            continue
    return found
