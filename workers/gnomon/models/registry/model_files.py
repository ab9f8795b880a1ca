"""Writes the files of a model in MLflow's format.

``mlflow.sklearn.save_model`` writes the same, but first searches all installed packages for the modules
of each requirement, and loads the model again: seconds on a busy machine, when nothing depends on it.
"""

import hashlib
import platform
from importlib.metadata import version as installed
from pathlib import Path
from typing import Final

import skops.io
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from gnomon.models.artefact import TRUSTED
from gnomon.models.registry.answers import without_warnings
from gnomon.models.train import Trained

_MODEL_FILE: Final = "model.skops"
_REQUIREMENTS: Final = ("gnomon", "mlflow", "numpy", "pandas", "scikit-learn", "skops")


def save(trained: Trained, folder: Path) -> str:
    """Write the model's files to ``folder``, which is created; return the SHA-256 of the model file."""
    folder.mkdir()
    skops.io.dump(trained.estimator, folder / _MODEL_FILE)
    pins = "".join(f"{package}=={installed(package)}\n" for package in _REQUIREMENTS)
    (folder / "requirements.txt").write_text(pins)
    (folder / "python_env.yaml").write_text(
        f"python: {platform.python_version()}\ndependencies:\n- -r requirements.txt\n"
    )
    with without_warnings():
        _manifest(trained).save(str(folder / "MLmodel"))
    return hashlib.sha256((folder / _MODEL_FILE).read_bytes()).hexdigest()


def _manifest(trained: Trained) -> Model:
    inputs = Schema([ColSpec(kind, name, required=False) for name, kind in trained.columns])
    outputs = Schema([ColSpec("double", name) for name in trained.outputs])
    model = Model(signature=ModelSignature(inputs=inputs, outputs=outputs))
    pyfunc.add_to_model(
        model,
        loader_module="mlflow.sklearn",
        model_path=_MODEL_FILE,
        python_env="python_env.yaml",
        predict_fn="predict",
    )
    model.add_flavor(
        "sklearn",
        pickled_model=_MODEL_FILE,
        sklearn_version=installed("scikit-learn"),
        serialization_format="skops",
        skops_trusted_types=sorted(TRUSTED),
        code=None,
    )
    return model
