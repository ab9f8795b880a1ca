from gnomon.features import FeaturesConfig
from gnomon.settings import Settings


def test_the_spans_come_from_the_settings_in_milliseconds() -> None:
    settings = Settings(max_lateness_s=1.5, max_clock_ahead_s=2.25)
    config = FeaturesConfig.from_settings(settings)
    assert (config.max_lateness_ms, config.max_clock_ahead_ms) == (1500, 2250)


def test_ten_minutes_of_disorder_are_allowed() -> None:
    assert FeaturesConfig.from_settings(Settings()) == FeaturesConfig()
    assert FeaturesConfig().max_lateness_ms == 600_000
