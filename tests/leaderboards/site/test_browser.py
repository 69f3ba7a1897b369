"""What a reader does with a site opened from disk, in a real Chromium, every control clicked."""

from __future__ import annotations

import pytest
import small_site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(results, tmp_path):
    return small_site.write(results, [small_site.small_board(results)], tmp_path / "site")


def methods(page):
    return page.locator("#t0 tbody th a").all_inner_texts()


def test_a_board_opens_from_disk_with_its_tables_and_charts(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    assert page.locator("h1").inner_text() == "Evo-Memory"
    assert methods(page) == ["baseline", "exprag", "react+exprag", "lonely"]
    assert "it has no run of reasoning" in page.locator("#t0 tr.last").inner_text()
    assert page.locator("#t0 svg.bar").count() == 3
    assert page.locator("text=skipped runs/x: damaged").is_visible()
    assert page.locator("figure.chart .plot svg[role=img]").count() >= 1
    assert page.locator("#unfinished").inner_text().count("01UNFINISHED") == 1


def test_content_is_there_without_javascript(site, tabs):
    page = tabs(java_script_enabled=False).open(site / "board" / "evo-memory.html")
    assert methods(page) == ["baseline", "exprag", "react+exprag", "lonely"]
    page.locator("figure.chart summary").first.click()
    assert page.locator("figure.chart table").first.is_visible()


def test_sorting_keeps_unranked_methods_below_and_says_its_order(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    header = page.locator("#t0 th[data-key=value]")
    button = header.locator("button")
    button.click()
    assert header.get_attribute("aria-sort") == "descending"
    assert methods(page)[0] == "baseline"
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert methods(page) == ["react+exprag", "exprag", "baseline", "lonely"]
    button.click()
    assert header.get_attribute("aria-sort") == "none"
    assert methods(page) == ["baseline", "exprag", "react+exprag", "lonely"]


def test_every_header_sorts(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    for button in page.locator("#t0 button.sort").all():
        button.click()
        assert sorted(methods(page)) == ["baseline", "exprag", "lonely", "react+exprag"]
        assert page.locator("#t0 [aria-sort=ascending], #t0 [aria-sort=descending]").count() == 1


def test_search_filter_and_ranked_only_narrow_the_rows_and_count_them(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    tools = page.locator(".grid[data-id=t0]")
    count = tools.locator("[role=status]")
    assert count.inner_text() == "4 rows"
    tools.get_by_label("ranked only").check()
    assert methods(page) == ["baseline", "exprag", "react+exprag"]
    tools.get_by_label("Search").fill("EXPRAG")
    assert methods(page) == ["exprag", "react+exprag"]
    assert count.inner_text() == "2 of 4 rows"
    tools.get_by_role("button", name="Filter").click()
    tools.get_by_label("Filter score").fill("> .3")
    assert methods(page) == ["exprag"]
    tools.get_by_label("Filter score").fill(">")
    assert methods(page) == ["exprag", "react+exprag"]
    shown = page.locator("#t0 tbody tr", has_text="exprag").first.locator("td").all_inner_texts()
    figure = next(text.split()[0] for text in shown if text.startswith(".") and "[" in text)
    tools.get_by_label("Filter score").fill(f"= {figure}")
    assert "exprag" in methods(page)
    tools.get_by_label("Filter rank").fill("9-9")
    assert "No row matches." in page.locator("#t0 tbody").inner_text()
    tools.get_by_label("Filter rank").fill("")
    tools.get_by_label("Filter score").fill("> .3")
    tools.get_by_label("Filter method").fill("nothing of the kind")
    assert "No row matches." in page.locator("#t0 tbody").inner_text()
    tools.get_by_role("button", name="Reset").click()
    assert len(methods(page)) == 4
    assert not page.evaluate("location.hash")


def test_columns_can_be_chosen_with_the_keyboard(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    tools = page.locator(".grid[data-id=t0]")
    summary = tools.locator("details.columns > summary")
    summary.focus()
    page.keyboard.press("Enter")
    box = tools.locator(".choices").get_by_label("clusters", exact=True)
    box.focus()
    page.keyboard.press("Space")
    assert page.locator("#t0 th[data-key=clusters]").is_hidden()
    assert page.locator("#t0 td:visible", has_text="10").count() >= 0
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "Columns"


def test_a_link_shows_the_same_again(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    tools = page.locator(".grid[data-id=t0]")
    page.locator("#t0 th[data-key=value] button").click()
    page.locator("#t0 th[data-key=value] button").click()
    tools.get_by_label("Search").fill("exprag")
    tools.get_by_label("ranked only").check()
    tools.locator("details.columns > summary").click()
    tools.locator(".choices").get_by_label("seeds", exact=True).uncheck()
    fragment = page.evaluate("location.hash")
    again = tab.open(site / "board" / "evo-memory.html", fragment)
    assert methods(again) == ["react+exprag", "exprag"]
    assert again.locator("#t0 th[data-key=seeds]").is_hidden()
    assert again.locator(".grid[data-id=t0]").get_by_label("Search").input_value() == "exprag"
    assert again.locator(".grid[data-id=t0]").get_by_label("ranked only").is_checked()


def test_the_theme_follows_the_system_and_a_choice_is_remembered(site, tabs):
    dark = tabs(color_scheme="dark")
    page = dark.open(site / "index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(20, 23, 27)"
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page = dark.open(site / "board" / "evo-memory.html")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    assert page.get_by_role("button", name="Dark theme").is_visible()


def test_a_cell_leads_to_its_run_and_from_there_to_its_samples(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    page.locator("#t0 tbody tr").first.locator("td a").nth(1).click()  # the first subset
    assert page.locator("h1").inner_text().startswith("Run 01RUN")
    assert (
        "harness run --task evo-memory --method baseline" in page.locator(".command").inner_text()
    )
    page.locator("#samples-table a").nth(4).click()
    detail = page.locator("#sample")
    assert "reasoning/" in detail.locator("h2").inner_text()
    assert "What is 2?" in detail.inner_text()
    first = detail.locator("h2").inner_text()
    detail.get_by_role("button", name="Next").click()
    page.wait_for_function(
        "old => document.querySelector('#sample h2').innerText !== old", arg=first
    )
    page.go_back()
    page.wait_for_function(
        "old => document.querySelector('#sample h2').innerText === old", arg=first
    )
    detail.get_by_role("button", name="Close").click()
    assert detail.is_hidden()


def test_a_cell_of_several_runs_leads_to_their_list(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    page.locator("#t0 tbody tr").first.locator("td a").first.click()
    assert page.locator("h1").inner_text() == "baseline"
    target = page.locator(":target")
    assert target.locator("td").last.locator("a").count() == 2
    target.locator("td").last.locator("a").first.click()
    assert page.locator("h1").inner_text().startswith("Run ")


def test_the_matrix_and_downloads_open(site, tab):
    page = tab.open(site / "board" / "evo-memory.html")
    page.get_by_text("Which method beats which").click()
    assert page.locator(".matrix td.better").count() == 3
    select = page.locator("details.pairs select")
    select.select_option(label="exprag")
    assert "exprag minus each other method" in page.locator(".one-of-all caption").inner_text()
    links = page.locator(".downloads a").evaluate_all("all => all.map(one => one.href)")
    assert {one.rsplit(".", 1)[1] for one in links} == {"csv", "json", "parquet"}
    for link in links:
        assert (site / "data" / "board" / link.rsplit("/", 1)[1]).is_file()


def test_every_link_of_every_page_leads_somewhere(site, tab):
    pages = sorted(site.rglob("*.html"))
    known = {path.as_uri() for path in pages}
    for path in pages:
        page = tab.open(path)
        found = page.locator("main a").evaluate_all(
            "all => all.filter(one => !one.hasAttribute('download'))"
            ".map(one => one.href.split('#')[0])"
        )
        assert {one for one in found if one} - known == set()


def test_long_sample_lists_are_paged_and_searched_as_a_whole(results, tmp_path, tab):
    run_id = small_site.publish(results, "exprag", count=450)
    rows = [small_site.ranked_boards.row("exprag", [0.5], subsets=["r"], runs=[[run_id]])]
    board = small_site.ranked_boards.board([small_site.ranked_boards.table(rows, ["r"])])
    boards = [small_site.SiteBoard(board)]
    site = small_site.write(results, boards, tmp_path / "site", samples_per_run=420)
    page = tab.open(site / "run" / f"{run_id}.html")
    section = page.locator("#samples")
    assert "The first 420 of 450" in section.inner_text()
    page.wait_for_selector("#samples-table tbody tr:nth-child(200)")
    assert "Page 1 of 3" in section.inner_text()
    section.get_by_role("button", name="Last").click()
    page.get_by_text("Page 3 of 3").wait_for()
    assert page.locator("#samples-table tbody tr").count() == 20
    section.get_by_role("button", name="First").click()
    page.get_by_text("Page 1 of 3").wait_for()
    section.get_by_label("Search").fill("ValueError")
    page.get_by_text("1 of 420 rows").wait_for()
    section.get_by_label("Search").fill("")
    page.locator("#samples-table th[data-key=input_tokens] button").click()
    page.wait_for_function(
        "document.querySelector('#samples-table tbody td:nth-child(7)')?.innerText.length > 0"
    )
    again = tab.open(site / "run" / f"{run_id}.html", "#sample=reasoning%2F0003")
    again.locator("#sample h3", has_text="Error").wait_for()
    assert "no answer" in again.locator("#sample").inner_text()
    missing = tab.open(site / "run" / f"{run_id}.html", "#sample=nothing")
    missing.get_by_text("No sample nothing is shown here.").wait_for()


def test_puzzles_are_drawn_with_their_cells_in_words(results, tmp_path, tab):
    run_id = small_site.publish(
        results, "dsl", puzzle=True, task="arc-agi", protocol="solve", subset="1-training"
    )
    rows = [small_site.ranked_boards.row("dsl", [0.5], subsets=["1-training"], runs=[[run_id]])]
    spec = small_site.ranked_boards.spec("arc-agi", "arc-agi")
    board = small_site.ranked_boards.board(
        [small_site.ranked_boards.table(rows, ["1-training"])], own_spec=spec
    )
    site = small_site.write(results, [small_site.SiteBoard(board)], tmp_path / "site")
    page = tab.open(site / "run" / f"{run_id}.html")
    page.locator("#gallery .thumbnail").nth(11).wait_for()
    page.locator("#gallery .thumbnail a").first.click()
    drawn = page.locator("#sample svg.puzzle")
    drawn.first.wait_for()
    labels = drawn.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert labels == [
        "demonstration 1, 1 by 2: 1 2",
        "output, 1 by 2: 2 1",
        "test input, 1 by 2: 3 4",
        "truth, 1 by 2: 4 3",
        "attempt 1: 2 of 2 cells wrong, 1 by 2: 3 4",
        "attempt 2: right, 1 by 2: 4 3",
    ]
    page.locator("figure.chart rect.column").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(site, tabs, scheme):
    phone = tabs(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    run = next((site / "run").glob("*.html"))
    for path in (site / "index.html", site / "board" / "evo-memory.html", run):
        page = phone.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("document.querySelector('.box').tabIndex") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(site, tabs, scheme):
    page = tabs(color_scheme=scheme).open(site / "board" / "evo-memory.html")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    low = page.evaluate(CONTRAST)
    assert low == []


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const found = rgb(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll('main *, header *, footer *')) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const ink = rgb(node instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push([node.tagName, node.outerHTML.slice(0, 90), ratio]);
  }
  return bad;
}"""
