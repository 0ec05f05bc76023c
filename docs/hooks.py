"""Fits the repository's Markdown, notebooks and docstrings to the site of `mkdocs.yml`.

* Pages that lie outside of docs/ (`OUTSIDE`) become pages of the site, and links lead there. A link
  to any other file of the repository keeps its words and loses its target, which the site lacks.
* Notebooks become pages, as their stored outputs have them; nothing runs.
* Docstrings are Markdown to the site: `.. math::` becomes a formula in letters, and `>>>` outside
  of a section of examples becomes code.
"""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "pnr_jax/models/people/README.md": "people.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie outside of docs/."""
    for source, page in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=relinked(text, source)))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(notebook)
        for file in from_notebook(notebook.src_uri, config):
            files.append(file)
    return files


def from_notebook(uri: str, config: Any) -> list[File]:
    """Returns the page of a notebook and its figures."""
    path = Path(config.docs_dir, uri)
    text, resources = MarkdownExporter().from_filename(str(path))
    page = uri.removesuffix(".ipynb")
    text = text.replace("![png](", f"![Figure]({path.stem}_")
    figures = resources["outputs"].items()
    return [
        File.generated(config, f"{page}.md", content=text),
        *(File.generated(config, f"{page}_{name}", content=data) for name, data in figures),
    ]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leads the links of a page in docs/ to the site's pages."""
    uri = page.file.src_uri
    return markdown if uri in OUTSIDE.values() else relinked(markdown, f"docs/{uri}")


def relinked(text: str, source: str) -> str:
    """Returns Markdown of the repository with its links as the site has them.

    Args:
      text: the Markdown.
      source: its file, from the repository's root.
    """
    page = OUTSIDE.get(source, source.removeprefix("docs/"))

    def link(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, mark, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (ROOT / path).exists():
            return match[0]  # For the build to complain of.
        if path not in OUTSIDE and not path.startswith("docs/"):
            return words
        path = OUTSIDE.get(path, path.removeprefix("docs/").replace(".ipynb", ".md"))
        path = os.path.relpath(path, posixpath.dirname(page) or ".")
        return f"{image}[{words}]({path}{mark}{anchor})"

    return LINK.sub(link, text)


class Docstrings(griffe.Extension):
    """Makes Markdown of docstrings."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites an object's docstring."""
        if obj.docstring:
            obj.docstring.value = in_markdown(obj.docstring.value)


SYMBOLS = {
    r"\arg\min_F": "arg min<sub>F</sub>", r"\sum": "Σ", r"\|\cdot\|": "‖·‖", r"\|": "‖",
    r"\quad": "&emsp;",
}  # fmt: skip


def in_letters(formula: str) -> str:
    r"""Writes the little TeX that docstrings have in HTML.

    >>> in_letters(r"F = \sum_j v_j \|H_j\|_p^p")
    '<i>F = Σ<sub>j</sub> v<sub>j</sub> ‖H<sub>j</sub>‖<sub>p</sub><sup>p</sup></i>'
    """
    for tex, letters in SYMBOLS.items():
        formula = formula.replace(tex, letters)
    formula = re.sub(r"_(?:\{(\w+)\}|(\w))", r"<sub>\1\2</sub>", formula)
    formula = re.sub(r"\^(?:\{(\w+)\}|(\w))", r"<sup>\1\2</sup>", formula)
    return f"<i>{' '.join(formula.split())}</i>"


def in_markdown(docstring: str) -> str:
    """Returns a docstring with formulas in letters and sessions outside of sections as code."""

    def display(match: re.Match[str]) -> str:
        return f'<p class="formula">{in_letters(match[1])}</p>'

    def session(match: re.Match[str]) -> str:
        return f"{match[1]}```pycon\n{match[2].rstrip()}\n```\n"

    docstring = re.sub(r"^\.\. math:: (.*(?:\n +.*)*)", display, docstring, flags=re.MULTILINE)
    docstring = re.sub(r":math:`(.*?)`", lambda match: in_letters(match[1]), docstring)
    docstring = re.sub(r"^Example:$", "Examples:", docstring, flags=re.MULTILINE)
    return re.sub(r"(^|\n\n)(>>> (?:.+\n?)+)", session, docstring)
