"""Questions whose answers fold: in the woven document, on the page, and what is refused."""

import re

import pytest

from literate.folds import fold_lines, kind_of
from literate.nodes import words
from posts import HEADER, block, chapter, page, plain, refusal, woven, write

START = HEADER.count("\n") + 1  # the line in which the text of a post begins


def question(*paragraphs):
    """Return the Org text of a question."""
    text = "\n\n".join(paragraphs)
    return f"#+begin_question\n{text}\n#+end_question\n\n"


TWO = question("Is it =x= or /y/?", "It is \\(x\\).", "Really.") + question("Why?", "- For\n- ever")


def test_a_question_and_its_answer_in_the_document(tmp_path):
    post = woven(tmp_path, "* One\nWords.\n\n" + TWO)
    found = [node for node in post.document["blocks"] if kind_of(node) == "question"]
    assert [node["c"][0] for node in found] == [["", ["question"], []]] * 2
    kinds = [[part["t"] for part in node["c"][1]] for node in found]
    assert kinds == [["Para", "Para", "Para"], ["Para", "BulletList"]]
    assert [words(node["c"][1][0]) for node in found] == ["Is it x or y?\n", "Why?\n"]
    assert fold_lines(post.text) == [("question", START + 3), ("question", START + 11)]


def test_the_end_of_a_question_may_be_written_in_capitals(tmp_path):
    text = question("Why?", "So.").replace("#+end_question", "#+END_QUESTION")
    post = woven(tmp_path, "* One\n" + text + TWO)
    assert [kind_of(node) == "question" for node in post.document["blocks"]] == [
        False,
        True,
        True,
        True,
    ]


def test_a_question_that_an_example_shows_is_none():
    shown = "#+begin_example\n,#+begin_question\n#+end_example\n\n"
    lines = [line for _, line in fold_lines(HEADER + "* One\n" + shown + TWO)]
    assert lines == [START + 5, START + 13]


def test_a_question_folds_on_the_page(tmp_path):
    html = page(tmp_path, "* One\n" + TWO)
    found = re.findall(
        r'<details class="question"><summary>\s*(.*?)\s*</summary>\s*(.*?)\s*</details>', html, re.S
    )
    assert [plain(asked) for asked, _ in found] == ["Is it x or y?", "Why?"]
    assert "<em>y</em>" in found[0][0]
    assert re.search(r"<code[^>]*>x</code>", found[0][0])
    assert found[0][1].startswith("<p>It is <math ")
    assert found[0][1].endswith("<p>Really.</p>")
    assert [plain(line) for line in found[1][1].split()] == ["", "For", "ever", ""]
    assert "open" not in html.partition("<details class=")[2].partition("</details>")[0]
    assert html.count("</details>") == html.count("<details") == 3  # the contents are the third


def test_links_formulas_and_code_work_in_both_parts(tmp_path):
    text = chapter(
        "One",
        "a",
        question(
            "Does \\(a_1\\) of =two= /hold/?",
            "See [[#b][two]], [[#code-f][f]] and [[https://example.org/][a page]]:\n"
            "\\begin{align}\nx &= 1\n\\end{align}",
            block("f()", ":tangle no", "f").strip(),
        )
        + "* Two\n:PROPERTIES:\n:CUSTOM_ID: b\n:END:\n",
    )
    html = page(tmp_path, text)
    asked, answer = re.search(
        r'class="question"><summary>(.*?)</summary>(.*?)</details>', html, re.S
    ).groups()
    assert "<math" in asked
    assert '<a href="#b">two</a>' in answer
    assert '<a href="#code-f">f</a>' in answer
    assert '<a href="https://example.org/">a page</a>' in answer
    assert "<mtable" in answer
    assert '<div class="block" id="code-f">' in answer
    assert "$" not in plain(asked + answer)


def test_a_link_in_an_answer_that_leads_nowhere(tmp_path):
    line = refusal(tmp_path, "* One\n" + question("Why?", "See [[#none][there]]."))
    assert line == f"post.org:{START + 4}: the link #none leads nowhere"


@pytest.mark.parametrize("asked", [True, False])
def test_numbers_are_checked_in_both_parts(tmp_path, asked):
    parts = ("Why 8?", "So, 7.") if asked else ("Why 7?", "So, 8.")
    text = chapter("One", "a", question(*parts) + block("print(7)"))
    line = START + 6 + (1 if asked else 3)
    problem = "no script of this chapter prints or states 8"
    assert refusal(tmp_path, text) == f"post.org:{line}: {problem}"
    write(tmp_path, text.replace("8", "7"))


def test_code_in_an_answer_is_no_prose(tmp_path):
    shown = "#+begin_example\n8\n#+end_example"
    page(tmp_path, chapter("One", "a", question("Why 7?", shown) + block("print(7)")))


NO_END = "this #+begin_question has no #+end_question"
BAD = {
    "capitals": (
        "#+BEGIN_QUESTION\nWhy?\n\nSo.\n#+END_QUESTION\n",
        1,
        "#+begin_QUESTION is not supported",
    ),
    "no answer": (question("Why?"), 1, "this question has no answer: write it below an empty line"),
    "an answer right below": (
        question("Why?\nSo."),
        1,
        "this question has no answer: write it below an empty line",
    ),
    "an answer that is no text": (
        question("Why?", "#+begin_comment\nSo.\n#+end_comment"),
        1,
        "this question has no answer: write it below an empty line",
    ),
    "nothing": (question(""), 1, "a question begins with a paragraph: what it asks"),
    "a list first": (
        question("- Why?", "So."),
        1,
        "a question begins with a paragraph: what it asks",
    ),
    "code first": (
        question(": x", "So."),
        1,
        "a question begins with a paragraph: what it asks",
    ),
    "a link in it": (
        question("Why, as in [[https://a.b][c]]?", "So."),
        1,
        "links, footnotes and formulas with a line of their own belong into the answer",
    ),
    "a footnote in it": (
        question("Why[fn:: That is, how]?", "So."),
        1,
        "links, footnotes and formulas with a line of their own belong into the answer",
    ),
    "a long formula in it": (
        question("Why is \\[ x = 1 \\]", "So."),
        1,
        "links, footnotes and formulas with a line of their own belong into the answer",
    ),
    "the second": (
        TWO + question("Why?"),
        16,
        "this question has no answer: write it below an empty line",
    ),
    "in a list": (
        "- a\n  #+begin_question\n  Why?\n\n  So.\n  #+end_question\n",
        2,
        "a question stands in a section, not in a list or the like",
    ),
    "in a list, and the same in the text": (
        question("Why?", "So.") + "- a\n  #+begin_question\n  Why?\n\n  So.\n  #+end_question\n",
        8,
        "a question stands in a section, not in a list or the like",
    ),
    "in what pandoc leaves out": (
        f":LOGBOOK:\n{question('Why?', 'So.')}:END:\n",
        2,
        "pandoc reads a question in another way",
    ),
    "in a quotation": (
        f"#+begin_quote\n{question('Why?', 'So.')}#+end_quote\n",
        2,
        "a question stands in a section, not in a list or the like",
    ),
    "in a question": (
        question("Why?", question("Who?", "I.")),
        1,
        f"{NO_END} before line {START + 4}",
    ),
    "no end": ("#+begin_question\nWhy?\n\nSo.\n", 1, NO_END),
    "no end before a heading": (
        "#+begin_question\nWhy?\n\nSo.\n** Two\n",
        1,
        f"{NO_END} before line {START + 5}",
    ),
    "a heading inside": (question("Why?", "** So", "So."), 1, f"{NO_END} before line {START + 4}"),
    "no begin": ("Why?\n#+end_question\n", 2, "this #+end_question has no #+begin_question"),
    "ended twice": (TWO + "#+end_question\n", 16, "this #+end_question has no #+begin_question"),
    "an argument": (
        TWO.replace("_question\n", "_question :class x\n", 1),
        1,
        "write #+begin_question alone on its line",
    ),
    "an argument at its end": (
        "#+begin_question\nWhy?\n\nSo.\n#+end_question x\n",
        5,
        "write #+end_question alone on its line",
    ),
    "an identifier": (f"#+attr_html: :id x\n{TWO}", 2, "a question takes no attributes"),
    "a class": (f"#+attr_html: :class block\n{TWO}", 2, "a question takes no attributes"),
    "an attribute": (f"#+attr_html: :onclick x\n{TWO}", 2, "a question takes no attributes"),
    "a drawer of its name": (
        ":question:\nWhy?\n\nSo.\n:END:\n",
        1,
        "the drawer :QUESTION: is not supported",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_question_that_is_none_is_one_line(tmp_path, case):
    text, line, problem = BAD[case]
    assert refusal(tmp_path, "* One\n" + text) == f"post.org:{START + line}: {problem}"


def test_raw_mark_up_in_a_question_is_refused(tmp_path):
    line = refusal(tmp_path, "* One\n" + question("Is @@html:<b>it</b>@@?", "So."))
    assert line == f"post.org:{START + 2}: raw html is not supported: <b>it</b>"
