"""Writes pages from templates, with escaping on and the same policy in each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness_leaderboards.site.grids import Link
from harness_leaderboards.site.texts import block, plain, shown

if TYPE_CHECKING:
    from jinja2 import Environment

_POLICY = (
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
    *("base-uri 'none'", "form-action 'none'"),
    *("require-trusted-types-for 'script'", "trusted-types harness-chunks"),
)
_CHARTS = (
    *("d3-array", "d3-path", "d3-color", "d3-interpolate", "d3-format", "d3-time"),
    *("d3-time-format", "d3-scale", "d3-selection", "d3-axis", "d3-shape"),
)
_SHORT = 120
"""Most letters of a name in a cell or a heading."""


def policy(*, live: bool) -> str:
    """The content security policy of a page; one that is served may ask its server."""
    return "; ".join((*_POLICY, "connect-src 'self'") if live else _POLICY)


class Pages:
    """The templates, ready to be filled."""

    def __init__(self, title: str, *, live: bool) -> None:
        self._title = title
        self._live = live

    def page(
        self,
        template: str,
        title: str,
        *,
        depth: int,
        trail: Sequence[Link] = (),
        scripts: Sequence[str] = (),
        **values: Any,
    ) -> str:
        """Fill a template.

        Args:
            template: its name.
            title: of the page.
            depth: folders between the page and the root of the site.
            trail: links to the pages above it.
            scripts: parts of the site's script that it needs beside tables.
            values: what the template shows.
        """
        return self._environment.get_template(template).render(
            title=title,
            site_title=self._title,
            root="../" * depth,
            trail=trail,
            scripts=self._scripts(scripts),
            policy=policy(live=self._live),
            is_live=self._live,
            **values,
        )

    def _scripts(self, more: Sequence[str]) -> list[str]:
        charts = [f"vendor/{name}.min.js" for name in _CHARTS] if "charts" in more else []
        own = ["text", "state", "table", *more, *(["live"] if self._live else [])]
        return ["vendor/table-core.min.js", *charts, *(f"{name}.js" for name in own)]

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("harness_leaderboards.site"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=plain,
        )
        environment.filters["short"] = _short
        environment.filters["block"] = _block
        environment.filters["tojson_list"] = _names
        return environment


def _short(text: str) -> str:
    return shown(text, _SHORT)


def _names(names: Sequence[str]) -> str:
    return json.dumps(list(names))


def _block(text: str) -> Any:
    """A text of many lines, escaped here because a page cleans every plain text into one line."""
    from markupsafe import escape

    return escape(block(text))
