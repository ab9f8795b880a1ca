"""Tables as a terminal shows them."""

from gnomon.text_table import aligned


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("model", "n", "aliases"), ("a", "12,000", ""), ("longer", "7", "champion")]
    assert aligned(rows, left=(0, 2)) == (
        "model        n  aliases\na       12,000\nlonger       7  champion"
    )
