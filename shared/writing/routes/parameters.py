"""The parameters and descriptions of routes that are made from a table."""

from __future__ import annotations

from inspect import Parameter
from typing import Any

from shared.http.openapi import warnings_of


def parameter(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    """A parameter of an endpoint whose signature is made, by its name alone."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def done(service: str) -> str:
    """The description of a 201."""
    return f"Recorded. Codes that may stand in `warnings`: {', '.join(f'`{code}`' for code in warnings_of(service)) or 'none'}."
