"""Writes the dashboards as JSON, one file each."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.generator.dashboards import all_dashboards
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER: Final = Path(__file__).resolve().parents[1] / "dashboards"


def encoded() -> dict[str, str]:
    """Return the content of each file, by its name."""
    return {
        f"{name}.json": json.dumps(
            json.loads(JSONEncoder().encode(made.build())), indent=1, sort_keys=True
        )
        + "\n"
        for name, made in all_dashboards().items()
    }


def main() -> None:
    """Write every file, and remove what no dashboard makes any more."""
    made = encoded()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        print(f"written: {FOLDER / name}")


if __name__ == "__main__":
    main()
