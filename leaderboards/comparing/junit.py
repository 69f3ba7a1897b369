"""The report as JUnit XML: a suite for each comparison, a case for it and for each subset.

What regressed is a failure. What is inconclusive is an error: it is no pass, and viewers that know
only passed and skipped would show it as one.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from harness.statistics import Verdict
from harness_leaderboards.comparing import texts
from harness_leaderboards.comparing.model import Comparison, Figures, Report
from harness_leaderboards.render.numbers import number, probability, signed

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Write a report."""
    root = Xml.Element("testsuites", name="harness compare")
    for one in report.comparisons:
        suite = Xml.SubElement(root, "testsuite", name=_legal(texts.title(one)))
        cases = [one.total, *one.subsets]
        for some in cases:
            _case(suite, one, some)
        found = [some.verdict for some in cases]
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(found.count(Verdict.REGRESSED)))
        suite.set("errors", str(found.count(Verdict.INCONCLUSIVE)))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


def _case(suite: Xml.Element, one: Comparison, some: Figures) -> None:
    name = f"{one.task} {some.name or 'all subsets'}"
    case = Xml.SubElement(
        suite, "testcase", name=_legal(texts.cut(name)), classname=_legal(texts.title(one))
    )
    said = (
        f"{texts.WORDS[some.verdict]}: {texts.cut(one.metric)} {number(some.baseline, 3)} -> "
        f"{number(some.candidate, 3)} ({signed(some.difference, 3)})"
    )
    if some.adjusted_p is not None:
        said += f", adjusted p {probability(some.adjusted_p)}, {some.clusters} clusters"
    if some.missing:
        said += f", {some.missing} missing"
    if some.reason:
        said += f"; {some.reason}"
    if some.verdict is Verdict.REGRESSED:
        failure = Xml.SubElement(case, "failure", message=_legal(said), type="regressed")
        failure.text = _legal("\n".join([said, *_worst(one, some)]))
    elif some.verdict is Verdict.INCONCLUSIVE:
        Xml.SubElement(case, "error", message=_legal(said), type="inconclusive").text = _legal(said)
    else:
        Xml.SubElement(case, "system-out").text = _legal(said)


def _worst(one: Comparison, some: Figures) -> list[str]:
    return [
        f"{texts.cut(change.sample_id)}: {number(change.baseline)} -> {number(change.candidate)} "
        f"(runs {change.baseline_run}, {change.candidate_run})"
        for change in one.changes[:20]
        if not some.name or change.subset == some.name
    ]


def _legal(text: str) -> str:
    """The text without characters that XML has not."""
    return _ILLEGAL.sub("\ufffd", text)
