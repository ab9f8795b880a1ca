"""What status and the list of models tell of a live verdict, and how its evidence is judged."""

import pytest
from tests.unit.verdict.build import T0, simulated
from tests.unit.verdict.evidence.test_live import RULES, live_of

from gnomon.cli.looking.status import _verdict_line
from gnomon.operations.models.verdicts import live_verdicts, summary_of


@pytest.mark.parametrize(
    ("ratio", "word", "beside"),
    [(0.6, "CONTINUE", "below control"), (1.6, "STOP-HARM", "above control")],
)
def test_the_summary_names_word_baseline_and_what_blocks(
    ratio: float, word: str, beside: str
) -> None:
    verdicts = live_verdicts(live_of(simulated(ratio=ratio, hours=40), RULES), drills=(), now_ms=T0)
    assert verdicts.settings_sha256 == RULES.sha256()
    (summary,) = map(summary_of, verdicts.models)
    assert (summary["word"], summary["strongest"]) == (word, "control")
    assert "drills" in summary["blocked_by"]  # type: ignore[operator]
    line = _verdict_line(summary)
    assert f"m version 1  {word}: " in line
    assert beside in line
    assert "blocked by" in line
    assert ("harms 10 agents" in line) == (ratio > 1)
