"""How pages are made of templates: what every template knows, and how it writes times, sizes and numbers."""

from datetime import datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from dashboard.access.forms import FORM_FIELD
from dashboard.access.people import Person
from dashboard.wording import NOTHING, day, person_name, pseudonym, unit_name

HERE = Path(__file__).parent
VERSION = version_of("echoworker")


def page(
    request: Request, template: str, person: Person | None = None, *, status: int = 200, **context: Any
) -> HTMLResponse:
    """A page of this template; `person` is who it is shown to, None before anybody signed in."""
    return _templates.TemplateResponse(request, template, {"person": person, **context}, status_code=status)


def when(at: datetime | None) -> Markup | str:
    """A time by this machine's clock, to the second; `NOTHING` where there is none."""
    if at is None:
        return NOTHING
    local = at.astimezone()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}", f"{local:%Y-%m-%d %H:%M:%S}"
    )


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago that was, in the largest unit that fits."""
    if at is None:
        return NOTHING
    return lasting(max((now - at).total_seconds(), 0.0))


def lasting(seconds: float | None) -> str:
    """A duration in the largest unit that fits, as `3 min`."""
    if seconds is None:
        return NOTHING
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int | None) -> str:
    """Bytes in decimal units."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def share(value: float | None) -> str:
    """A share of 1, in percent."""
    return NOTHING if value is None else f"{value:.0%}"


def figure(value: float | None) -> str:
    """A number to three digits."""
    return NOTHING if value is None else f"{value:.3g}"


def _form_secret(person: Person | None) -> Markup:
    """The hidden field that every form of a page that changes something has."""
    secret = person.form_secret if person else ""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, secret)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(when=when, lasting=lasting, size=size, share=share, figure=figure)
    environment.filters.update(person_name=person_name, pseudonym=pseudonym, day=day, unit=unit_name)
    environment.globals.update(ago=ago, form_secret=_form_secret, version=VERSION)
    return environment


_templates = Jinja2Templates(env=_environment())
