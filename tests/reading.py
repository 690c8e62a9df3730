"""What the tests of notebooks read in them."""

import nbformat
from nbformat import NotebookNode


def read(content: bytes) -> NotebookNode:
    """Return a notebook from its file."""
    return nbformat.reads(content.decode(), as_version=4)


def sources(notebook: NotebookNode, kind: str) -> list[str]:
    """Return what stands in the cells of a kind, "code" or "markdown"."""
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def printed(notebook: NotebookNode) -> list[str]:
    """Return what each code cell printed."""
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    streams = [[out for out in found if out.output_type == "stream"] for found in outputs]
    assert all(out.name == "stdout" for found in streams for out in found)
    return ["".join(out.text for out in found) for found in streams]


def values(notebook: NotebookNode) -> list[dict]:
    """Return every output that is no text on stdout or stderr."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return [dict(out) for out in outputs if out.output_type != "stream"]
