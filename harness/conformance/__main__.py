"""``python -m harness.conformance method|task NAME [OPTION=VALUE ...]``."""

from __future__ import annotations

import sys

from harness.conformance import check_method, check_task
from harness.errors import UsageError
from harness.options import parse_assignments

_USAGE = "usage: python -m harness.conformance method|task NAME [OPTION=VALUE ...]"


def main(arguments: list[str]) -> int:
    """Check one thing and print what is missing; 0 if nothing is."""
    if len(arguments) < 2 or arguments[0] not in ("method", "task"):
        raise UsageError(_USAGE)
    kind, name, *rest = arguments
    if kind == "method":
        findings = check_method(name)
    else:
        findings = check_task(name, parse_assignments(rest, "option"))
    for finding in findings:
        print(f"- {finding}")  # noqa: T201 - the output of this module
    print(f"{kind} {name}: {len(findings)} findings" if findings else f"{kind} {name}: fine")  # noqa: T201
    return 1 if findings else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UsageError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
