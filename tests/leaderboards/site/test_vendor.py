"""The libraries that pages load are exactly those that were fetched and checked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import harness_leaderboards.site

VENDOR = Path(harness_leaderboards.site.__file__).parent / "assets" / "vendor"
ASSETS = VENDOR.parent


def test_files_are_those_of_the_manifest():
    manifest = json.loads((VENDOR / "vendor.json").read_text())
    sums = {name: digest for one in manifest for name, digest in one["files"].items()}
    found = {path.name for path in VENDOR.iterdir()} - {"vendor.json"}
    assert found == set(sums)
    for name, digest in sums.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    for one in manifest:
        assert one["integrity"].startswith("sha512-")
        assert any(name.endswith(".LICENSE") for name in one["files"])


def test_no_script_of_the_site_parses_markup_or_text_as_code():
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    for path in ASSETS.glob("*.js"):
        text = path.read_text()
        assert not [one for one in (*forbidden, "new Function", ".html(") if one in text], path.name


def test_no_template_has_inline_script_or_style():
    for path in (ASSETS.parent / "templates").glob("*.html"):
        text = path.read_text()
        assert "style=" not in text
        assert "<style" not in text
        assert "|safe" not in text
        assert not [line for line in text.splitlines() if "<script" in line and "src=" not in line]
