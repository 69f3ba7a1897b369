"""Measure what the harness costs and print one table: ``python -m benchmarks``.

    python -m benchmarks                          # everything, about an hour with the peers
    python -m benchmarks --no-peers --repeats 3   # a few minutes
    python -m benchmarks --peers PYTHON --json bench.json
    python -m benchmarks --vllm MODEL_FOLDER --vllm-python PYTHON

`benchmarks.suite` and `benchmarks.vllm_serving` say what each row means. The other harnesses run in
the interpreter of ``--peers``; without it one is made in ``build/peers``, once. Progress goes to
stderr, the table to stdout. Exit code 0, whether targets are met or not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks import peers, suite, vllm_serving
from benchmarks.driver import Driver
from benchmarks.echo import ROOT, EchoServer
from benchmarks.processes import CommandFailed
from benchmarks.rows import Row, Table
from benchmarks.suite import Sizes
from benchmarks.table import table_text, write_json
from benchmarks.tools import METHODS, Tool, method_tools, own_tools, peer_tools

_OWN = ("method-harness", "aiohttp", "pydantic", "pyarrow")
_LEFT_OUT = "left out (--no-peers)"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What the harness costs, beside others."
    )
    sizes = Sizes()
    add = parser.add_argument
    add("--repeats", type=int, default=sizes.repeats, help="times everything is run (%(default)s)")
    add("--peer-repeats", type=int, help="the same for the other harnesses (as --repeats)")
    add("--small", type=int, default=sizes.small, help="samples of the smaller size (%(default)s)")
    add("--large", type=int, default=sizes.large, help="samples of the larger size (%(default)s)")
    add("--in-flight", type=int, default=sizes.in_flight, help="most at once (%(default)s)")
    add("--methods", nargs="*", choices=METHODS, default=sizes.methods, help="other methods (all)")
    add("--patience", type=float, default=300.0, help="seconds for one command (%(default)s)")
    add("--peers", type=Path, help="interpreter with lm-eval and inspect_ai (made in build/peers)")
    add("--no-peers", action="store_true", help="leave the other harnesses out")
    add("--json", type=Path, help="file for every number")
    vllm_serving.add_arguments(parser)
    chosen = parser.parse_args()
    if not 0 < chosen.small < chosen.large:
        parser.error("--small has to be smaller than --large.")
    if bool(chosen.vllm) != bool(chosen.vllm_python):
        parser.error("--vllm and --vllm-python go together.")
    return chosen


def main() -> None:
    """Parse, measure, print."""
    chosen = _arguments()
    sizes = Sizes(
        repeats=chosen.repeats,
        peer_repeats=chosen.peer_repeats or chosen.repeats,
        small=chosen.small,
        large=chosen.large,
        in_flight=chosen.in_flight,
        methods=tuple(chosen.methods),
    )
    versions = {name: version(name) for name in _OWN}
    others, missing = list[Tool](), dict[str, str]()
    labels = {tool.name: tool.label for tool in own_tools()}
    if chosen.no_peers:
        missing = dict.fromkeys(("lm-eval", "inspect"), _LEFT_OUT)
        labels |= {"lm-eval": "lm-eval", "inspect": "inspect_ai"}
    else:
        # Not resolved: an interpreter of a virtual environment is a link.
        python = (
            chosen.peers.absolute()
            if chosen.peers
            else peers.made_once(ROOT / "build" / "peers", ROOT / "benchmarks" / "requirements.txt")
        )
        found = peers.versions(python)
        versions |= {f"peers: {name}": value for name, value in found.items()}
        others = peer_tools(python, found)
        labels |= {tool.name: tool.label for tool in others}
    labels |= {tool.name: tool.label for tool in method_tools(sizes.methods)}
    rows = list[Row]()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, EchoServer() as server:
        driver = Driver(server, Path(folder), chosen.patience)
        suite.execute(driver, sizes, own_tools(), others)
        rows += [*suite.rows(Table(driver.runs, labels, missing), sizes), suite.imports_row(driver)]
    serving, why = list[vllm_serving.Turn](), "left out (no --vllm)"
    if chosen.vllm:
        try:
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
                serving = vllm_serving.compare(vllm_serving.settings(chosen), Path(folder))
        except CommandFailed as error:
            # What was measured before is not lost.
            print(error, file=sys.stderr)
            why = "failed"
    rows += vllm_serving.rows(serving, why)
    print(table_text(rows))
    if chosen.json:
        options = {name: str(value) for name, value in vars(chosen).items()}
        write_json(
            chosen.json, rows, driver.runs, versions=versions, options=options, serving=serving
        )


if __name__ == "__main__":
    try:
        main()
    except CommandFailed as error:
        sys.exit(f"benchmarks: {error}")
