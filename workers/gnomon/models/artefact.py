"""Loads the files of a model version, and checks them before any object is created from them.

MLflow's own loader reads the list of trusted types from the model's own files. This loader has a
list of its own (``TRUSTED``), and it loads exactly the bytes whose SHA-256 it has compared.
"""

import hashlib
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import msgspec
import skops.io
import yaml

from gnomon.errors import ModelRefusedError
from gnomon.events import Completeness, FeatureVector, TaskFeatures
from gnomon.models.predictor import LoadedModel
from gnomon.models.protocols import DURATION, SUCCESS
from gnomon.models.table import CONTEXT, Column, Kind, kind_of

TRUSTED: Final = frozenset(
    {
        "gnomon.models.estimator.Categories",
        "gnomon.models.estimator.TaskModel",
        "gnomon.models.learners.mix.Mix",
        "gnomon.models.learners.names.Names",
        "gnomon.models.learners.pool.Pool",
        "gnomon.models.learners.type_table.TypeTable",
        "gnomon.models.learners.xgboosted.Booster",
        # skops reads it from the header of an empty array, with pickle forbidden.
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    }
)
"""Types that a model may contain in addition to those that skops itself trusts."""

_KINDS: Final[Mapping[str, Kind]] = {"double": "double", "float": "double", "string": "string"}

_BLANK: Final = TaskFeatures(
    agent_id="-",
    task_id="-",
    task_type="-",
    started_at_ms=0,
    features=FeatureVector(),
    completeness=Completeness(),
)
"""A task without any data, which every model must be able to predict."""


class _Named(msgspec.Struct, frozen=True):
    """One column of a signature, as MLflow writes it. Tensors have no name and are refused."""

    name: str
    type: str


_signature = msgspec.json.Decoder(list[_Named])


def open_model(folder: Path, *, name: str, version: str, sha256: str | None) -> LoadedModel:
    """Load the model from ``folder``, which contains an ``MLmodel`` file.

    Args:
        folder: The version's files.
        name: Name of the registered model.
        version: Number of the version in the registry.
        sha256: SHA-256 of the model file, as the registry has it.

    Raises:
        ModelRefusedError: ``manifest``, ``pickle``, ``path``, ``sha256_missing``,
            ``sha256_mismatch``, ``sklearn_version``, ``signature``, ``untrusted_type``,
            ``unreadable`` or ``probe_failed``.
    """
    manifest = _manifest(folder)
    data = _model_file(folder, _flavor(manifest)).read_bytes()
    _check_sha256(data, sha256)
    _check_release(_flavor(manifest))
    inputs, outputs = _inputs(manifest), _outputs(manifest)
    model = LoadedModel(
        name=name,
        version=version,
        sha256=hashlib.sha256(data).hexdigest(),
        estimator=_loaded(data),
        inputs=inputs,
        outputs=outputs,
    )
    _probe(model)
    return model


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelRefusedError("manifest", f"the file MLmodel cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise ModelRefusedError("manifest", "MLmodel is no mapping")
    return manifest


def _flavor(manifest: Mapping[str, Any]) -> dict[str, Any]:
    flavors = manifest.get("flavors")
    flavor = flavors.get("sklearn") if isinstance(flavors, dict) else None
    if not isinstance(flavor, dict):
        raise ModelRefusedError("manifest", "not a scikit-learn model")
    return flavor


def _model_file(folder: Path, flavor: Mapping[str, Any]) -> Path:
    if flavor.get("serialization_format") != "skops":
        raise ModelRefusedError("pickle", f"stored as {flavor.get('serialization_format')!r}")
    root = folder.resolve()
    path = (root / str(flavor.get("pickled_model"))).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise ModelRefusedError("path", f"{flavor.get('pickled_model')!r} is no file of the model")
    return path


def _check_sha256(data: bytes, expected: str | None) -> None:
    if not expected:
        raise ModelRefusedError("sha256_missing", "the version has no tag gnomon.sha256")
    if hashlib.sha256(data).hexdigest() != expected:
        raise ModelRefusedError("sha256_mismatch", "the model file is not the one registered")


def _check_release(flavor: Mapping[str, Any]) -> None:
    """Refuse a model of another minor version of scikit-learn, which may not load correctly."""
    trained, here = str(flavor.get("sklearn_version")), installed("scikit-learn")
    if trained.split(".")[:2] != here.split(".")[:2]:
        raise ModelRefusedError(
            "sklearn_version", f"made with scikit-learn {trained}, installed is {here}"
        )


def _columns(manifest: Mapping[str, Any], side: str) -> list[_Named]:
    signature = manifest.get("signature")
    text = signature.get(side) if isinstance(signature, dict) else None
    try:
        return _signature.decode(str(text))
    except msgspec.DecodeError as error:
        raise ModelRefusedError("signature", f"{side} are no named columns: {error}") from error


def _inputs(manifest: Mapping[str, Any]) -> list[Column]:
    inputs = []
    for name, kind in ((c.name, _KINDS.get(c.type)) for c in _columns(manifest, "inputs")):
        known = kind_of(name) or (kind if name.startswith(CONTEXT) else None)
        if kind is None or kind != known:
            raise ModelRefusedError("signature", f"there is no input {name!r} of its type")
        inputs.append(Column(name, kind))
    if not inputs:
        raise ModelRefusedError("signature", "no inputs")
    return inputs


def _outputs(manifest: Mapping[str, Any]) -> list[str]:
    outputs = [column.name for column in _columns(manifest, "outputs")]
    if not outputs or len(set(outputs)) < len(outputs) or set(outputs) - {DURATION, SUCCESS}:
        raise ModelRefusedError("signature", f"outputs {outputs!r}, not {DURATION}, {SUCCESS}")
    return outputs


def _loaded(data: bytes) -> Any:
    needed = set(_skops(lambda: skops.io.get_untrusted_types(data=data)))
    if foreign := sorted(needed - TRUSTED):
        raise ModelRefusedError("untrusted_type", ", ".join(foreign))
    estimator = _skops(lambda: skops.io.loads(data, trusted=sorted(needed)))
    if not callable(getattr(estimator, "predict", None)):
        raise ModelRefusedError("unreadable", f"{type(estimator).__name__} cannot predict")
    if callable(getattr(estimator, "get_params", None)):
        params = estimator.get_params()
        estimator.set_params(**{p: 1 for p in params if p.split("__")[-1] == "n_jobs"})
    return estimator


def _skops(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # bytes that are no model make skops raise errors of all kinds
        raise ModelRefusedError("unreadable", repr(error)) from error


def _probe(model: LoadedModel) -> None:
    try:
        model.predict([_BLANK])
    except Exception as error:  # foreign code may raise anything
        raise ModelRefusedError("probe_failed", repr(error)) from error
