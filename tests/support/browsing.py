"""A browser without a window: it keeps cookies, and sends the forms of pages with all that is in them."""

import re
from dataclasses import dataclass
from html import escape, unescape

from fastapi.testclient import TestClient
from httpx2 import Response

PASSWORD = "correct horse battery"  # noqa: S105  of accounts of tests


@dataclass
class Browser:
    client: TestClient

    def get(self, path: str, **headers: str) -> Response:
        return self.client.get(path, headers=headers)

    def sign_in(self, name: str, password: str = PASSWORD) -> Response:
        return self.client.post("/sign-in", data={"name": name, "password": password})

    def submit(self, page: str, action: str, **fields: str) -> Response:
        """Send a form of a page: the one with this action, with its hidden fields."""
        shown = self.client.get(page).text
        form = re.search(rf'<form[^>]*action="{re.escape(escape(action))}".*?</form>', shown, re.DOTALL)
        assert form is not None, f"{page} has no form that goes to {action}"
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form.group())
        return self.client.post(action, data={name: unescape(value) for name, value in hidden} | fields)
