"""Names, samples and errors are foreign: whatever they hold is shown as text and does nothing."""

from __future__ import annotations

import pytest
import ranked_boards
import small_site
from small_site import EVIL, LONG

from harness_leaderboards.site.model import SiteBoard

SUBSET = "sub <b>set</b>"


@pytest.fixture
def site(results, tmp_path):
    method = EVIL + LONG
    run_id = small_site.publish(results, method, subset=SUBSET, evil=True, model=EVIL)
    rows = [
        ranked_boards.row(method, [0.5], subsets=[SUBSET], runs=[[run_id]], rank=(1, 2)),
        ranked_boards.row("other", [0.1], subsets=[SUBSET], rank=(1, 2), runs=[[run_id]]),
        ranked_boards.row(f"un{EVIL}", [0.2], subsets=[SUBSET], unranked=EVIL),
    ]
    table = ranked_boards.table(
        rows, [SUBSET], title=EVIL, setting={"model": EVIL + LONG}, notes=(EVIL,)
    )
    board = ranked_boards.board(
        [table],
        unfinished=[ranked_boards.unfinished("../../x", EVIL)],
        problems=[EVIL],
    )
    trends = (ranked_boards.trend(method, SUBSET, [run_id]),)
    return small_site.write(results, [SiteBoard(board, None, trends)], tmp_path / "site")


def test_file_names_are_made_of_safe_letters(site):
    for path in site.rglob("*"):
        assert all(one.isascii() and (one.isalnum() or one in "-_.") for one in path.name)


def test_no_page_holds_a_raw_foreign_letter(site):
    for path in [*site.rglob("*.html"), *site.rglob("data/**/*.js")]:
        text = path.read_text(encoding="utf-8")
        assert "<img src=x" not in text
        assert not set(text) & set("\x00\x1b\u202e\u2066\u2028")
        assert len(text) < 2_000_000


@pytest.mark.browser
def test_nothing_foreign_runs_on_any_page(site, tab):
    for path in sorted(site.rglob("*.html")):
        page = tab.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        page.wait_for_timeout(150)
        assert page.evaluate("window.hacked") is None
        assert page.locator("main img, main iframe, main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.browser
def test_a_foreign_sample_is_shown_as_it_is(site, tab):
    run = next((site / "run").glob("*.html"))
    page = tab.open(run)
    page.locator("#samples-table a").nth(3).click()
    detail = page.locator("#sample")
    detail.locator("h3").first.wait_for()
    said = detail.inner_text()
    assert "DROP TABLE runs" in said
    assert "\\x1b[31mred" in said
    assert "\\u202eevil" in said
    assert page.evaluate("window.hacked") is None
    more = detail.locator("button.more").first
    before = len(detail.inner_text())
    more.click()
    assert len(detail.inner_text()) > before + 10_000
    more.click()
    assert abs(len(detail.inner_text()) - before) < 100
