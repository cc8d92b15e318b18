"""What the dashboard answers over a real connection."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import pytest

from dashboard.installation import Installation
from dashboard.server import DashboardServer
from tests.support.servers import listens
from tests.support.waiting import wait_until


@pytest.fixture
def connection(here: Installation) -> Iterator[HTTPConnection]:
    """To a server on any free port."""
    wanted = here.settings.dashboard.model_copy(update={"port": 0})
    server = DashboardServer(here.settings.model_copy(update={"dashboard": wanted}))
    server.start()
    wait_until(lambda: listens(server.port), 30, "the dashboard to listen")
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        yield connection
    server.stop()


def test_a_head_is_answered_as_a_get_without_its_body(connection: HTTPConnection) -> None:
    answered = {}
    for path in ("/", "/sign-in", "/static/base.css", "/api/v1/studies", "/nothing"):
        found = []
        for method in ("GET", "HEAD", "GET"):  # a body behind the second would be taken for the third's answer
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            found.append((answer.status, [one for one in answer.getheaders() if one[0] not in ("date", "set-cookie")]))
        assert found[0] == found[1] == found[2], path
        answered[path] = found[0][0]
    assert list(answered.values()) == [303, 200, 200, 401, 404]
