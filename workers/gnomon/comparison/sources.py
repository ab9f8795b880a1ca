"""Numbers the model versions that predict, so that a prediction refers to a version by its number."""

from typing import Final

from gnomon.events import Prediction

CONTROL_MODEL: Final = "control"
SAME_TYPE_MODEL: Final = "same-type"
TYPE_MODEL: Final = "type"
BASELINES: Final = (CONTROL_MODEL, SAME_TYPE_MODEL, TYPE_MODEL)
"""Names of the simple rules that predict every task beside the models."""

Source = tuple[str, str, str | None]
"""Model, version, and SHA-256 of the model file."""


class Sources:
    """Numbers sources of predictions in the order in which they first appear.

    There is one source for each model version and model file.

    Attributes:
        names: Sources, indexed by their number.
        models: Models and versions, indexed by the model's number.
        model_of: Number of the model, indexed by the number of the source.
    """

    __slots__ = ("_model_ids", "_source_ids", "model_of", "models", "names")

    def __init__(self, names: list[Source] | None = None) -> None:
        self.names: list[Source] = []
        self.models: list[tuple[str, str]] = []
        self.model_of: list[int] = []
        self._source_ids: dict[Source, int] = {}
        self._model_ids: dict[tuple[str, str], int] = {}
        for name in names or []:
            self._add(name)

    def number(self, prediction: Prediction) -> int:
        """Return the number of the source that made ``prediction``."""
        name = (prediction.model, prediction.version, prediction.sha256)
        number = self._source_ids.get(name)
        return self._add(name) if number is None else number

    def _add(self, name: Source) -> int:
        number = self._source_ids[name] = len(self.names)
        self.names.append(name)
        model = name[:2]
        if model not in self._model_ids:
            self._model_ids[model] = len(self.models)
            self.models.append(model)
        self.model_of.append(self._model_ids[model])
        return number
