"""Two runs of a benchmark are told apart where they differ, and not where the machine is noisy."""

import json
import random

import pytest
from benchmarks import compare, record


def run(values, better="less"):
    return {"verify": {"unit": "µs", "better": better, "values": values}}


def noisy(count, middle, seed):
    """Rounds as a busy machine gives them: mostly close together, some far too long."""
    draw = random.Random(seed)
    return [middle * (1 + draw.random() / 50 + (draw.random() < 0.2) * 3) for _ in range(count)]


def only(before, after):
    [found] = compare.differences(before, after)
    return found


def test_a_gain_of_five_per_cent_is_told_from_noise():
    found = only(run(noisy(60, 3.0, 1)), run(noisy(60, 2.85, 2)))

    assert found.verdict == "better"
    assert found.ratio == pytest.approx(0.95, abs=0.02)


def test_the_same_loss_is_told_as_one():
    assert only(run(noisy(60, 2.85, 1)), run(noisy(60, 3.0, 2))).verdict == "worse"


def test_more_requests_a_second_are_a_gain():
    before, after = run([100.0] * 10, "more"), run([110.0] * 10, "more")

    assert only(before, after).verdict == "better"
    assert only(after, before).verdict == "worse"


def test_of_two_hundred_pairs_of_like_runs_hardly_any_is_called_different():
    verdicts = [
        only(run(noisy(40, 3.0, 2 * seed)), run(noisy(40, 3.0, 2 * seed + 1))).verdict
        for seed in range(200)
    ]

    assert verdicts.count("no difference told") >= 194


def test_a_few_pairs_are_no_verdict_however_far_apart():
    assert only(run([9.0] * 7), run([1.0] * 7)).verdict == "too few pairs"


def test_the_chance_is_that_of_tossing_coins():
    assert compare.sign_test(8, 0) == 2 / 256
    assert compare.sign_test(5, 5) == 1
    assert compare.sign_test(1, 9) == pytest.approx(2 * 11 / 1024)
    assert compare.sign_test(0, 0) == 1


def test_pairs_that_are_equal_count_for_neither_side():
    assert only(run([3.0] * 20), run([3.0] * 20)).chance == 1


def test_what_one_run_alone_has_is_left_out():
    assert compare.differences(run([1.0]), {}) == []


def test_a_figure_that_turned_round_is_refused():
    with pytest.raises(SystemExit, match="not the same figure"):
        compare.differences(run([1.0]), run([1.0], "more"))


def test_rounds_of_several_runs_are_put_behind_each_other():
    assert compare.joined([run([1.0, 2.0]), run([3.0])])["verify"]["values"] == [1.0, 2.0, 3.0]


def test_two_files_that_benchmarks_wrote_are_compared(tmp_path, capsys):
    for name, middle in (("before", 3.0), ("after", 2.0)):
        series = {"verify": record.less_is_better("µs", noisy(60, middle, len(name)))}
        record.write(tmp_path / "made" / name, "library", {}, series)

    compare.main([str(tmp_path / "made" / "before"), str(tmp_path / "made" / "after")])

    printed = capsys.readouterr().out
    assert "| verify | µs | 60 |" in printed
    assert "| better |" in printed
    kept = json.loads((tmp_path / "made" / "after").read_text("utf-8"))
    assert {"machine", "cores", "load", "python", "date", "commit"} <= kept.keys()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rounds": {}}'])
def test_a_file_that_no_benchmark_wrote_is_refused_with_a_sentence(tmp_path, text):
    (tmp_path / "run.json").write_text(text)

    with pytest.raises(SystemExit, match="is not what a benchmark wrote"):
        compare.main([str(tmp_path / "run.json")] * 2)
