"""What is refused, and that nothing is built before it is checked."""

import hashlib
import json
import pickle
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from tests.unit.models.runs import runs

from gnomon.errors import ModelRefusedError
from gnomon.models.artefact import open_model
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.predictor import LoadedModel
from gnomon.models.table import Column, to_frame
from gnomon.models.train import train

DOUBLE = {"type": "double", "name": "agent_avg_execution_time", "required": False}
DURATION = {"type": "double", "name": "duration_s", "required": True}
PROBABILITY = {"type": "double", "name": "success_probability", "required": True}


@lru_cache
def a_forest() -> bytes:
    """A plain scikit-learn model of one column, asking for every core."""
    frame = pd.DataFrame({"agent_avg_execution_time": [1.0, 2.0, 3.0, 4.0]})
    forest = RandomForestRegressor(n_estimators=2, random_state=0, n_jobs=-1)
    return bytes(skops.io.dumps(forest.fit(frame, [10.0, 20.0, 30.0, 40.0])))


def a_manifest() -> dict[str, Any]:
    return {
        "flavors": {
            "sklearn": {
                "pickled_model": "model.skops",
                "serialization_format": "skops",
                "sklearn_version": sklearn.__version__,
            }
        },
        "signature": {"inputs": json.dumps([DOUBLE]), "outputs": json.dumps([DURATION])},
    }


def written(folder: Path, *, data: bytes | None = None, **signature: list[dict[str, Any]]) -> str:
    """A version's files with ``data`` as the model; its SHA-256."""
    data = a_forest() if data is None else data
    manifest = a_manifest()
    manifest["signature"] |= {side: json.dumps(columns) for side, columns in signature.items()}
    (folder / "MLmodel").write_text(yaml.safe_dump(manifest))
    (folder / "model.skops").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def opened(folder: Path, sha256: str | None) -> LoadedModel:
    return open_model(folder, name="gnomon", version="3", sha256=sha256)


def refusal(folder: Path, sha256: str | None) -> str:
    with pytest.raises(ModelRefusedError) as refused:
        opened(folder, sha256)
    return refused.value.reason


def test_a_plain_model_of_durations_is_welcome(tmp_path: Path) -> None:
    sha256 = written(tmp_path)

    model = opened(tmp_path, sha256)

    assert (model.name, model.version, model.sha256) == ("gnomon", "3", sha256)
    duration_s, probability = model.predict(runs(1))[0]
    assert duration_s is not None
    assert 10.0 <= duration_s <= 40.0
    assert probability is None


def test_a_model_that_asks_for_every_core_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(tmp_path, written(tmp_path))

    def refuse(thread: threading.Thread) -> None:
        raise AssertionError(f"{thread} was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert len(model.predict(runs(3))) == 3


@pytest.mark.parametrize("learner", LEARNERS)
def test_what_was_trained_predicts_the_same_when_read_back(tmp_path: Path, learner: str) -> None:
    decisions = runs(60)
    trained = train(decisions, learner=LEARNERS[learner]())
    inputs = [{"type": kind, "name": name, "required": False} for name, kind in trained.columns]
    sha256 = written(
        tmp_path,
        data=skops.io.dumps(trained.estimator),
        inputs=inputs,
        outputs=[DURATION, PROBABILITY],
    )

    model = opened(tmp_path, sha256)

    expected = trained.estimator.predict(to_frame(decisions, trained.columns))
    assert model.predict(decisions) == list(expected.itertuples(index=False, name=None))


ENCODERS = [
    OneHotEncoder(handle_unknown="ignore"),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    TargetEncoder(target_type="continuous"),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
def test_a_pipeline_of_scikit_learns_own_encoders_is_taken(tmp_path: Path, encoder: Any) -> None:
    decisions = runs(60)
    columns = [Column("task_type", "string"), Column("agent_id", "string")]
    columns += [Column("tasks_completed_1h", "double")]
    frame = to_frame(decisions, columns)
    encoded = ColumnTransformer(
        [("strings", encoder, ["task_type", "agent_id"])], remainder="passthrough"
    )
    pipeline = make_pipeline(encoded, SimpleImputer(), StandardScaler(with_mean=False), Ridge())
    pipeline.fit(frame, [d.outcome.duration_s or 0.0 for d in decisions])
    inputs = [{"type": c.kind, "name": c.name, "required": False} for c in columns]
    sha256 = written(tmp_path, data=skops.io.dumps(pipeline), inputs=inputs)

    model = opened(tmp_path, sha256)

    expected = np.maximum(pipeline.predict(frame), 0.0).tolist()
    assert model.predict(decisions) == [(seconds, None) for seconds in expected]


@pytest.mark.parametrize("sha256", ["0" * 64, "", None])
def test_a_file_that_is_not_the_registered_one_is_refused(
    tmp_path: Path, sha256: str | None
) -> None:
    written(tmp_path)

    assert refusal(tmp_path, sha256) == ("sha256_mismatch" if sha256 else "sha256_missing")


class Harmful:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("form", ["pickle", "cloudpickle", None])
def test_pickle_is_refused_unread(tmp_path: Path, form: str | None) -> None:
    sha256 = written(tmp_path, data=pickle.dumps(Harmful(tmp_path / "harm")))
    manifest = a_manifest()
    manifest["flavors"]["sklearn"]["serialization_format"] = form
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(manifest))

    assert refusal(tmp_path, sha256) == "pickle"
    assert not (tmp_path / "harm").exists()


def test_pickle_that_says_it_is_skops_is_refused_unread(tmp_path: Path) -> None:
    sha256 = written(tmp_path, data=pickle.dumps(Harmful(tmp_path / "harm")))

    assert refusal(tmp_path, sha256) == "unreadable"
    assert not (tmp_path / "harm").exists()


class Foreign:
    """Not on the list, whatever it does."""

    def predict(self, frame: pd.DataFrame) -> list[float]:
        return [1.0] * len(frame)


def test_a_foreign_type_is_refused_though_the_model_itself_trusts_it(tmp_path: Path) -> None:
    sha256 = written(tmp_path, data=skops.io.dumps(Foreign()))
    manifest = a_manifest()
    manifest["flavors"]["sklearn"]["skops_trusted_types"] = [f"{__name__}.Foreign"]
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(manifest))

    assert refusal(tmp_path, sha256) == "untrusted_type"


@pytest.mark.parametrize("place", ["../model.skops", "/etc/hostname", "missing.skops", ".", None])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, place: str | None) -> None:
    sha256 = written(tmp_path)  # the file of "../model.skops" is there, and is the right one
    inner = tmp_path / "inner"
    inner.mkdir()
    manifest = a_manifest()
    manifest["flavors"]["sklearn"]["pickled_model"] = place
    (inner / "MLmodel").write_text(yaml.safe_dump(manifest))

    assert refusal(inner, sha256) == "path"


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    sha256 = written(inner)
    (inner / "model.skops").rename(tmp_path / "elsewhere.skops")
    (inner / "model.skops").symlink_to(tmp_path / "elsewhere.skops")

    assert refusal(inner, sha256) == "path"


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [DOUBLE | {"name": "price"}],
        [DOUBLE | {"type": "string"}],
        [DOUBLE | {"type": "binary", "name": "context_size"}],
        [{"type": "string", "name": "task_id"}],
        [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 1]}}],
    ],
)
def test_inputs_that_nobody_can_give_are_refused(
    tmp_path: Path, inputs: list[dict[str, Any]]
) -> None:
    assert refusal(tmp_path, written(tmp_path, inputs=inputs)) == "signature"


@pytest.mark.parametrize(
    "outputs",
    [[], [DURATION | {"name": "hours"}], [DURATION, DURATION], [DURATION, {"type": "double"}]],
)
def test_outputs_that_nobody_knows_are_refused(
    tmp_path: Path, outputs: list[dict[str, Any]]
) -> None:
    assert refusal(tmp_path, written(tmp_path, outputs=outputs)) == "signature"


def test_a_model_without_signature_is_refused(tmp_path: Path) -> None:
    sha256 = written(tmp_path)
    manifest = a_manifest()
    del manifest["signature"]
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(manifest))

    assert refusal(tmp_path, sha256) == "signature"


def test_a_model_that_cannot_do_without_a_figure_is_refused(tmp_path: Path) -> None:
    linear = LinearRegression().fit(pd.DataFrame({DOUBLE["name"]: [1.0, 2.0]}), [1.0, 2.0])

    assert refusal(tmp_path, written(tmp_path, data=skops.io.dumps(linear))) == "probe_failed"


def test_a_model_with_other_outputs_than_it_says_is_refused(tmp_path: Path) -> None:
    sha256 = written(tmp_path, outputs=[DURATION, PROBABILITY])

    assert refusal(tmp_path, sha256) == "probe_failed"


def test_what_cannot_predict_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, written(tmp_path, data=skops.io.dumps([1, 2]))) == "unreadable"


def test_a_model_of_another_release_of_scikit_learn_is_refused(tmp_path: Path) -> None:
    sha256 = written(tmp_path)
    manifest = a_manifest()
    manifest["flavors"]["sklearn"]["sklearn_version"] = "0.24.2"
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(manifest))

    assert refusal(tmp_path, sha256) == "sklearn_version"


def _no_file(folder: Path) -> None:
    (folder / "MLmodel").unlink()


def _no_yaml(folder: Path) -> None:
    (folder / "MLmodel").write_text("{")


def _no_mapping(folder: Path) -> None:
    (folder / "MLmodel").write_text("- 1")


def _code(folder: Path) -> None:
    (folder / "MLmodel").write_text(f"!!python/object/apply:os.mkdir ['{folder}/harm']")


def _no_flavor(folder: Path) -> None:
    (folder / "MLmodel").write_text("flavors: {python_function: {}}")


@pytest.mark.parametrize("spoil", [_no_file, _no_yaml, _no_mapping, _code, _no_flavor])
def test_a_manifest_that_makes_no_sense_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    sha256 = written(tmp_path)

    spoil(tmp_path)

    assert refusal(tmp_path, sha256) == "manifest"
    assert not (tmp_path / "harm").exists()
