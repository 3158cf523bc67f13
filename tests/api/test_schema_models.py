"""What programs compare when they meet holds every body and answer of the API, in whichever module it is written."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

import workbench.services
from tests.fakes.desk import FakeDesk
from workbench.api.app import build_app
from workbench.services import schema

FOLDER = Path(workbench.services.__file__).parent
WRITTEN = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem.endswith(("_answers", "_bodies")))


def test_every_schema_that_the_description_promises_is_part_of_the_hash() -> None:
    promised = set(build_app(FakeDesk(), token="x" * 40).openapi()["components"]["schemas"])
    assert {"SessionRow", "StopResult", "VersionRow", "ReportSchedule", "QualityReport"} <= promised
    assert promised - {each.__name__ for each in schema.models()} == set()


@pytest.mark.parametrize("name", WRITTEN)
def test_every_model_of_a_module_of_bodies_or_answers_is_part_of_the_hash(name: str) -> None:
    module, hashed = import_module(f"workbench.services.{name}"), schema.models()
    for each in vars(module).values():
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__:
            assert each in hashed, f"{each.__name__} of {name}"


def test_a_field_more_in_any_of_these_modules_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.services import report_answers

    class ReportRun(report_answers.ReportRun):
        note: str = ""

    ReportRun.__module__ = report_answers.__name__
    known = schema.schema_hash()
    schema.schema_hash.cache_clear()
    monkeypatch.setattr(report_answers, "ReportRun", ReportRun)
    try:
        assert schema.schema_hash() != known
    finally:
        schema.schema_hash.cache_clear()
