"""Wrong answers to the exercises: no check lets one pass, and a line says what is wrong."""

import pytest

from answers import WRONG, changed, texts, verdict_of

CASES = [(name, number) for name, answers in WRONG.items() for number in range(len(answers))]


@pytest.mark.parametrize(("name", "number"), CASES, ids=lambda value: str(value))
def test_a_wrong_answer_fails_with_one_line(name, number, tmp_path):
    exercise, solution = texts(name)
    answer = changed(solution, WRONG[name][number])
    assert answer not in (exercise, solution)
    verdict_of(name, answer, tmp_path)


# For some answers, what the line must hold: a learner without it would look in the wrong place.
HOLDS = {
    "10_uneven": (
        ["samples += len(x)\n", "samples = len(loader.dataset)\n"],
        "80 examples in batches of 30, the last one left out: an error of ",
    ),
    "12_ring": (
        ["+ piece if adding else piece", "+ piece"],
        "3 processes, 12 numbers each: rank 0 ends with the sum in its pieces [2], not in [0, 1]",
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_the_line_of_a_wrong_answer_says_where_to_look(name, tmp_path):
    pairs, said = HOLDS[name]
    assert said in verdict_of(name, changed(texts(name)[1], pairs), tmp_path)
