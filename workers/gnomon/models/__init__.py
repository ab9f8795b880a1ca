"""Shadow models: input rows, baselines, training, registry and prediction."""

import os

_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

# MLflow reads some of these while it is imported, so they are set before any module that does.
for _name, _value in _MLFLOW.items():
    os.environ.setdefault(_name, _value)
