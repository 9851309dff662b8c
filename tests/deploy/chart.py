"""deploy/chart as Helm would render it, by Go's own templates; what they know beside Helm's functions is all it uses.

Run as a program it renders folders: the library is Go with a runtime of its own, which tests do not want in theirs.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy" / "chart"
RELEASE = {"Name": "ops", "Namespace": "queues", "Service": "Helm", "Revision": 3}
Manifest = dict[str, Any]


def default_values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text()))


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As Helm lays a person's values over the chart's own."""
    result = copy.deepcopy(values)
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result


def complaints(more: dict[str, Any]) -> list[str]:
    """What Helm would refuse them for."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = jsonschema.Draft7Validator(schema).iter_errors(merged(default_values(), more))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def rendered(folder: Path, cases: dict[str, dict[str, Any]]) -> dict[str, list[Manifest]]:
    """The manifests of each case."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for name, more in cases.items():
        assert complaints(more) == [], name
        place = folder / name
        place.mkdir()
        told = {"Values": merged(default_values(), more), "Release": RELEASE, "Chart": chart}
        (place / "values.yml").write_text(yaml.safe_dump(told))
        parts = (CHART / "templates" / "_parts.tpl").read_text()
        for template in templates():
            (place / f"{template.name}.tmpl").write_text(parts + template.read_text())
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: manifests(folder / name) for name in cases}


def templates() -> list[Path]:
    return [path for path in sorted((CHART / "templates").iterdir()) if not path.name.startswith("_")]


def manifests(folder: Path) -> list[Manifest]:
    for template in templates():
        assert (folder / template.name).exists(), f"{template.name} could not be rendered"
    texts = [(folder / path.name).read_text() for path in templates() if path.suffix == ".yaml"]
    assert not [text for text in texts if "<no value>" in text]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def main() -> None:
    from go_template import render_template

    for template in Path(sys.argv[1]).glob("*/*.tmpl"):
        render_template(str(template), str(template.parent / "values.yml"), str(template.with_suffix("")))


if __name__ == "__main__":
    main()
