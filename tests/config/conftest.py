"""Every valid file of these tests is valid by the JSON Schema too, whatever else a test says about it."""

from __future__ import annotations

import contextlib

import pytest
import yaml

from maglev.config import load as load_module
from tests.fakes.json_schema import faults
from tests.fakes.yaml_views import of_yaml_1_1, of_yaml_1_2

LARGE = 20_000
"""Characters; validation takes a millisecond for each kilobyte."""


@pytest.fixture(autouse=True)
def the_json_schema_accepts_what_is_valid(monkeypatch):
    compose, build = load_module.compose_part, load_module.build_config
    read = {}

    def compose_and_remember(text, findings):
        composed = compose(text, findings)
        read["text"], read["root"] = text, composed[0]
        return composed

    def build_and_validate(maglev):
        if len(read["text"]) < LARGE:
            assert faults(of_yaml_1_2(read["root"])) == []
            with contextlib.suppress(yaml.YAMLError):  # PyYAML reads less than we do
                assert faults(of_yaml_1_1(read["text"])) == []
        return build(maglev)

    monkeypatch.setattr(load_module, "compose_part", compose_and_remember)
    monkeypatch.setattr(load_module, "build_config", build_and_validate)
