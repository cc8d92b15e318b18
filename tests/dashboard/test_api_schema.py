"""Whatever fits the OpenAPI document, and much that does not, is answered as the document says, and never by a fault.

A few examples of each operation, always the same ones; `API_EXAMPLES=500` tries so many, and others each time.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.sections.dashboard import AccountRole
from config.settings import load_settings
from dashboard.api.document import operations_of
from dashboard.api.routes import add_api
from dashboard.application import create_app
from dashboard.installation import Installation
from db.accounts import add_account, add_token
from db.tables.runs import RunRow
from tests.support import lab
from tests.support.servers import PostgreSQL

pytestmark = pytest.mark.long

EXAMPLES = int(os.environ.get("API_EXAMPLES", "3"))
IS_SHORT = "API_EXAMPLES" not in os.environ
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass(frozen=True)
class Api:
    schema: Any
    headers: dict[str, str]


@pytest.fixture(scope="module")
def api(postgresql_server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """On PostgreSQL, which refuses more than SQLite does, with the studies of the small laboratory."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
            patch.delenv(name)
        url = postgresql_server.create_database(f"api_{uuid.uuid4().hex}")
        patch.setenv("ECHOWORKER_DATABASE__URL", url)
        here = Installation.of(load_settings(data_dir=tmp_path_factory.mktemp("api") / "data"))
    here.database.upgrade()
    with here.database.write() as session:
        lab.fill(session)
        for run in session.query(RunRow):
            run.catalogue_digest = here.catalogue.digest
        add_account(session, "all", role=AccountRole.ADMIN, password_hash=None, now=here.now())
        token = add_token(session, "all", note="t", now=here.now(), lasts=timedelta(days=1))
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", create_app(here), headers=headers)
    yield Api(schema, headers)
    here.database.close()


def _operations() -> list[tuple[str, str]]:
    app = FastAPI()
    add_api(app)
    return [(operation["path"], operation["method"]) for operation in operations_of(app.openapi())]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: f"{mode.value} examples")
@pytest.mark.parametrize(("path", "method"), _operations())
def test_every_operation_answers_as_the_document_says(path: str, method: str, mode: GenerationMode, api: Api) -> None:
    operation = api.schema[path][method]
    takes_nothing = not (operation.query or operation.body or operation.path_parameters)
    if takes_nothing and mode is GenerationMode.NEGATIVE:
        pytest.skip("there is nothing that could be wrong")

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=IS_SHORT,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def try_it(case: Any) -> None:
        case.call_and_validate(headers=api.headers, checks=CHECKS)

    try_it()
