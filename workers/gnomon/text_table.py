"""Tables for a terminal: columns of text, aligned."""

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], *, left: Collection[int] = (0,)) -> str:
    """Return the rows as lines with two spaces between columns, padded to each column's widest cell.

    Args:
        rows: All of the same length, at least one.
        left: Numbers of the columns that are aligned to the left; the others are to the right.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
