import json
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from moagraph.evals.length_control.constants import read_constants
from moagraph.evals.published import published_tables
from moagraph.evals.report.blocks import (
    Bar,
    BarChart,
    ParetoPlot,
    Point,
    RunReport,
    Table,
    WorstCase,
)
from moagraph.evals.report.build import build_report
from moagraph.evals.report.html_page import render_page
from moagraph.evals.report.markdown import render_markdown
from moagraph.evals.report.svg_charts import draw_bar_chart, draw_pareto_plot
from moagraph.evals.report.svg_scales import LinearScale, LogScale
from moagraph.evals.results import read_results
from tests.judged import BASELINE, JUDGE, SIZE, constants_file, rows
from tests.results import HOSTILE, answer, folder_of, verdict, write
from tests.terminal import moa

VOID = {"meta"}


class Seen(HTMLParser):
    """Every tag, attribute and text of a page, and whether all that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def made(folder: Path) -> RunReport:
    return build_report([read_results(folder_of(folder))])


def blocks(said: RunReport, kind: type) -> list[Any]:
    return [one for section in said.sections for one in section.blocks if isinstance(one, kind)]


def test_a_page_is_whole_and_fetches_and_runs_nothing(tmp_path: Path) -> None:
    text = render_page(made(tmp_path))
    seen = Seen(text)
    assert not {"script", "img", "link", "iframe", "style"} & set(seen.tags) - {"style"}
    links = [value for name, value in seen.attributes if name in ("href", "src")]
    assert links
    assert all(value and value.startswith("#s") for value in links)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "default-src 'none'" in text
    assert "://" not in text
    ids = {value for name, value in seen.attributes if name == "id"}
    assert {value[1:] for value in links if value} == ids


def test_what_models_say_is_only_text_on_the_page_and_in_markdown(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / HOSTILE.replace("/", "")[:40])
    name = f"mix{HOSTILE}"
    both = [answer(name, 1, answer=HOSTILE, question=HOSTILE), answer("solo", 1)]
    write(folder / "answers.jsonl", both)
    write(folder / "verdicts.jsonl", [verdict(name, 1, "grade", score=2.0, text="``\x1b`\n# out")])
    said = build_report([read_results(folder)])
    seen = Seen(render_page(said))
    assert not {"script", "img"} & set(seen.tags)
    assert any("<script>alert(1)" in text for text in seen.texts)
    text = render_markdown(said)
    outside = [part for number, part in enumerate(text.split("\n```")) if number % 2 == 0]
    assert not any("<script" in part for part in outside)
    assert "````text\n```\n# out\n````" in text
    for shown in (render_page(said), text):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_every_plot_is_drawn_and_well_formed(tmp_path: Path) -> None:
    said = made(tmp_path)
    for one in blocks(said, BarChart):
        drawing = ElementTree.fromstring(draw_bar_chart(one))
        assert len(drawing.findall("g")) == len(one.bars)
    plots = blocks(said, ParetoPlot)
    assert len(plots) == 6
    for one in plots:
        drawing = ElementTree.fromstring(draw_pareto_plot(one))
        assert len(drawing.findall("g")) == len(one.points) == 2
        assert len(drawing.findall("polyline")) == 1


def test_the_front_is_what_nothing_beats() -> None:
    points = [Point("a", 1, 5), Point("b", 2, 4), Point("c", 3, 9), Point("d", 1, 3)]
    assert [one.label for one in ParetoPlot("t", "x", "y", points).front] == ["a", "c"]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 100), (-3, 4), (3.5, 4), (0, 0.004), (7, 7)])
def test_marks_are_round_few_and_on_the_scale(low: float, high: float) -> None:
    scale = LinearScale(low, high, 0, 100)
    marks = scale.ticks()
    assert 2 <= len(marks) <= 8
    assert all(-1e-6 <= scale.position(mark) <= 100 + 1e-6 for mark in marks)
    assert all(float(f"{mark:.4g}") == pytest.approx(mark) for mark in marks)


def test_costs_that_span_magnitudes_are_drawn_by_magnitude() -> None:
    scale = LogScale(0.0001, 0.02, 0, 100)
    assert scale.position(0.002) - scale.position(0.001) == pytest.approx(
        scale.position(0.02) - scale.position(0.01)
    )
    assert scale.ticks()[:4] == pytest.approx([0.0001, 0.0002, 0.0005, 0.001])
    points = [Point("cheap", 0.0001, 50), Point("dear", 0.02, 60)]
    drawing = ElementTree.fromstring(draw_pareto_plot(ParetoPlot("t", "x", "y", points)))
    assert "0.005" in [text.text for text in drawing.findall("text")]


def test_bars_of_nothing_and_below_zero_are_drawn() -> None:
    for bars in ([], [Bar("a", 0.0)], [Bar("a", -2.0, (-3.0, 1.0)), Bar("b" * 80, 1.0)]):
        assert ElementTree.fromstring(draw_bar_chart(BarChart("t", "u", bars))) is not None


def test_recipes_are_compared_with_the_best_single_model(tmp_path: Path) -> None:
    said = made(tmp_path)
    [compared] = [one for one in said.sections if one.title.startswith("Recipes minus")]
    assert any("too few questions for a conclusion: +37.50" in note for note in compared.notes)
    [table] = [one for one in compared.blocks if isinstance(one, Table)]
    assert [row[:2] for row in table.rows] == [["mix", "solo"]] * 3


def test_a_word_on_who_is_better_needs_questions_and_an_interval(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    both = ("mix", "solo")
    write(
        folder / "answers.jsonl",
        [answer(s, 0, id=n, key=f"{s}{n}") for s in both for n in range(30)],
    )
    for better, word in (
        (2.0, "is better than"),
        (-2.0, "is worse than"),
        (0.0, "is not significantly different"),
    ):
        said = [
            verdict(s, 0, "grade", id=n, key=f"{s}{n}", score=5.0 + n % 3 + better * (s == "mix"))
            for s in both
            for n in range(30)
        ]
        write(folder / "verdicts.jsonl", said)
        [section] = [
            one
            for one in build_report([read_results(folder)]).sections
            if "best single" in one.title
        ]
        assert word in section.notes[0]


def test_the_worst_cases_come_first_with_every_layer(tmp_path: Path) -> None:
    cases = blocks(made(tmp_path), WorstCase)
    assert cases[0].title == "mix, question 0, turn 1: 50 by judge of pairwise"
    assert [one.who for one in cases[0].answers] == ["mix", "solo"]
    assert [seat.who for seat in cases[0].layers[0]] == ["1.01 scripted:m01", "1.02 scripted:m02"]
    assert [one.who for one in cases[0].judge] == ["judge of pairwise ab", "judge of pairwise ba"]


def test_a_step_between_layers_is_shown_in_its_layer(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    step = {"node": "L1_synthesize", "model": "scripted:agg", "ok": True, "text": "in between"}
    both = [answer("mix", 0, steps=[step, {"node": "L1_join"}]), answer("solo", 0)]
    write(folder / "answers.jsonl", both)
    [case] = blocks(build_report([read_results(folder)]), WorstCase)
    assert case.layers[0][-1].text == "in between"
    assert len(case.layers[0]) == 3


def test_the_papers_tables_stand_beside_the_runs_numbers(tmp_path: Path) -> None:
    said = made(tmp_path)
    tables = {one.title: one for one in said.sections[-1].blocks if isinstance(one, Table)}
    drawn = {one.title: one for one in said.sections[-1].blocks if isinstance(one, BarChart)}
    assert {
        "MoA, Table 2a",
        "MoA, Table 2b",
        "MoA, Table 3",
        "MoA, Table 4",
        "MoA, Figure 3",
    } <= set(tables)
    assert {f"Self-MoA, Table {number}" for number in (2, 4, 6, 8, 10, 12)} <= set(tables)
    won = drawn["MoA, Table 2a: AlpacaEval 2.0, without length control"]
    assert [(one.label, one.value) for one in won.bars if one.own] == [("mix (here)", 87.5)]
    assert "here: judged by judge of pairwise" in won.note
    graded = drawn["MoA, Table 2b: MT-Bench"]
    assert [one.label for one in graded.bars if one.own] == ["mix (here)", "solo (here)"]
    numbers = {(one.label, one.value) for one in drawn["MoA, Table 3: number of proposers"].bars}
    assert ("6 mixed", 61.3) in numbers
    assert ("1 of one model", 47.8) in numbers
    table2 = published_tables()["moa_table2a_alpacaeval2"]["rows"]
    assert [row[0] for row in tables["MoA, Table 2a"].rows] == [row[0] for row in table2]
    assert "source: " in tables["MoA, Table 3"].note


@pytest.mark.parametrize("judge", [JUDGE, "another judge"])
def test_win_rates_at_equal_length_are_called_lc_only_where_they_are(
    tmp_path: Path, judge: str
) -> None:
    folder = folder_of(tmp_path, baseline=BASELINE, systems=())
    answers, said = [], []
    for number, row in enumerate(rows()):
        usual = {"id": number, "turn": 1, "question": row["instruction"]}
        for place in ("1", "2"):
            system, text = row[f"generator_{place}"], row[f"output_{place}"]
            answers.append(
                answer(system, 0, **usual | {"key": f"{system}{number}", "answer": text})
            )
        ruling: dict[str, Any] = {
            "id": number,
            "key": str(number),
            "judge": judge,
            "baseline": BASELINE,
        }
        liked = row["preference"]
        said.append(verdict("mine", 0, "pairwise-logprobs", preference=liked, **ruling))
    write(folder / "answers.jsonl", answers)
    write(folder / "verdicts.jsonl", said)
    constants = read_constants(constants_file(tmp_path))
    found = build_report([read_results(folder)], constants)
    [table] = [
        one for one in blocks(found, Table) if one.title.startswith("Win rates with length control")
    ]
    [[system, n, what, value, interval]] = table.rows
    wanted = "LC win rate" if judge == JUDGE else f"length-adjusted (not LC: judged by {judge}"
    assert (system, n, what.startswith(wanted)) == ("mine", str(SIZE), True)
    assert 50 < float(value) < 80
    assert "to" in interval
    lc = next(
        one for one in blocks(found, BarChart) if one.title == "MoA, Table 2a: AlpacaEval 2.0"
    )
    assert [one.label for one in lc.bars if one.own] == (["mine (here)"] if judge == JUDGE else [])


def test_unknown_prices_are_named_and_not_drawn(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    both = [answer("mix", 0, cost_usd=None, tflops=None), answer("solo", 0)]
    write(folder / "answers.jsonl", both)
    plots = blocks(build_report([read_results(folder)]), ParetoPlot)
    assert all([point.label for point in one.points] == ["solo"] for one in plots)
    assert all(one.note == "not known for mix" for one in plots)


def test_the_command_writes_three_files_and_compares_two_runs(tmp_path: Path) -> None:
    one, other = folder_of(tmp_path / "one"), folder_of(tmp_path / "other", smoke=True)
    with (one / "verdicts.jsonl").open("a") as file:
        file.write('{"cut')
    done = moa("eval", "report", str(one))
    assert (done.code, done.out) == (0, f"{one / 'report.html'}\n")
    assert "verdicts.jsonl: line 41 is incomplete" in done.err
    both = moa("eval", "report", str(one), str(other), "-o", str(tmp_path / "out"), "--json")
    said = json.loads(both.out)
    assert said == json.loads((tmp_path / "out" / "report.json").read_text())
    titles = [section["title"] for section in said["sections"]]
    assert titles[:3] == ["Run one", "Run other", "one minus other"]
    assert "a smoke run" in both.err
    assert "A smoke run: no conclusions" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "report.md").read_text().startswith("# one against other\n")


def test_what_cannot_be_reported_is_refused_in_a_line(tmp_path: Path) -> None:
    folder = str(folder_of(tmp_path / "run"))
    (tmp_path / "file").write_text("")
    for words, why in (
        ((str(tmp_path / "none"),), "cannot read the run"),
        ((folder, folder, folder), "3 folders: a report is of one run, or of two"),
        ((folder, "-o", str(tmp_path / "file")), "cannot write to"),
        ((folder, "--constants", str(tmp_path / "none.json")), "cannot read the constants"),
    ):
        done = moa("eval", "report", *words)
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
        assert why in done.err


def test_a_report_is_plain_data(tmp_path: Path) -> None:
    assert json.loads(json.dumps(asdict(made(tmp_path))))["title"] == tmp_path.name
