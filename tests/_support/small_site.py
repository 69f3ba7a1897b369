"""A results folder with runs of every kind of trouble, and a site of it."""

from __future__ import annotations

import json

import ranked_boards

from harness.results.schema import SampleRecord, Status
from harness_leaderboards.site.build import write_site
from harness_leaderboards.site.model import SiteBoard, SiteOptions

SUBSETS = ("babyai", "reasoning")
EVIL = (
    "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    "'; DROP TABLE runs; -- \x1b[31mred\x1b[0m \u202eevil\u2066 \x00 \u2028 ]]>&lt;"
)
ENTRY = {"text": "t", "key": "k", "meta": {}, "sample_id": "s", "step": 0}
LONG = "x" * 1_000_000
PUZZLE = {
    "train": [[[[1, 2]], [[2, 1]]]],
    "test": [[3, 4]],
    "gold": [[4, 3]],
    "symbols": [str(digit) for digit in range(10)],
    "attempts": 2,
}


def samples(count=25, *, puzzle=False, evil=False):
    for place in range(count):
        name = f"sample {place} {EVIL}" if evil else f"reasoning/{place:04d}"
        failed = place == 3
        output = json.dumps([[[3, 4]], [[4, 3]]]) if puzzle else f"The answer is {place}."
        yield SampleRecord(
            sample_id=name,
            sample_hash=f"hash{place}",
            source_id=name,
            stream_id=f"{place % 5:03d}",
            step=place // 5,
            group=EVIL if evil else "gcd",
            status=Status.FAILED if failed else Status.OK,
            score=0.0 if failed else place % 2,
            metrics={"steps": 1.0, EVIL if evil else "success": float(place % 2)},
            error_type="ValueError" if failed else "",
            error=EVIL + LONG if failed and evil else ("no answer\nin it" if failed else ""),
            input_tokens=100 + place,
            output_tokens=10,
            latency_s=0.5,
            trace={
                "calls": [
                    {
                        "phase": "act",
                        "messages": [{"role": "user", "content": EVIL if evil else "What is 2?"}],
                        "output": LONG if evil else f"The answer is {place}.",
                    }
                ],
                "trajectory": [{"observation": "", "action": "say", "valid": True}],
                "context": PUZZLE if puzzle else {"text": ""},
                "output": EVIL + output if evil else output,
            },
            memory={"added": [{**ENTRY, "id": f"m{place}"}]},
        )


def publish(results, method, *, subset="reasoning", count=25, puzzle=False, evil=False, **row):
    """A run with texts; `results` is the fixture of the leaderboard tests."""
    run_id = results.run(method, {}, subset=subset, **row)
    task = row.get("task", "evo-memory")
    records = list(samples(count, puzzle=puzzle, evil=evil))
    results.store.write_tables(run_id, task, records)
    found = results.store.row(run_id)
    argv = ["harness", "run", "--task", task, "--method", method]
    results.store.replace(
        {
            **found,
            "n_planned": count,
            "n_done": count,
            "n_failed": 1,
            "metrics": {
                "score": 0.48,
                "success": 0.5,
                "accuracy/depth-01": 0.5,
                "accuracy/depth-02": 0.4,
            },
            "argv": json.dumps(argv),
            "task_options": json.dumps({"note": EVIL if evil else "plain"}),
            "versions": json.dumps({"harness": "0.1.0"}),
        }
    )
    return run_id


def small_board(results, *, methods=("baseline", "exprag", "react+exprag"), evil=False):
    """A board over runs that are published here: two subsets, one method unranked."""
    rows = []
    for place, method in enumerate(methods):
        runs = [[publish(results, method, subset=subset)] for subset in SUBSETS]
        values = [0.6 - 0.2 * place, 0.5 - 0.2 * place]
        rows.append(
            ranked_boards.row(
                method, values, subsets=SUBSETS, runs=runs, rank=(place + 1, place + 1)
            )
        )
    lonely = publish(results, "lonely", subset="babyai")
    rows.append(
        ranked_boards.row(
            "lonely",
            [0.7, None],
            subsets=SUBSETS,
            runs=[[lonely], []],
            unranked="it has no run of reasoning",
        )
    )
    table = ranked_boards.table(rows, SUBSETS)
    ranked = ranked_boards.board(
        [table], unfinished=[ranked_boards.unfinished()], problems=["skipped runs/x: damaged"]
    )
    return SiteBoard(ranked, None, (ranked_boards.trend(run_ids=[lonely]),), b"PAR1")


def write(results, boards, folder, **options):
    write_site(boards, results.store, folder, SiteOptions(**options))
    return folder
