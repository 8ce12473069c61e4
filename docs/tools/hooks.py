"""Hooks of the documentation site: mathematics as MathML, and links to files outside the pages."""

import html
import logging
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import latex2mathml.converter
from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor
from pymdownx.slugs import slugify

LOG = logging.getLogger("mkdocs.hooks")  # a warning fails the strict build
MATHEMATICS = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)

# A minus behind one of these is a sign, not a difference, and stands close to its number.
SIGN = re.compile(r"(<mo[^>]*>(?:[\[({=,]|&#x0*(?:28|2C|3D|5B|7B);)</mo>)<mo>&#x02212;</mo>")
SCHEME = """<script>
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const scheme = () => dark.matches ? "slate" : "default";
  const follow = () => document.body.setAttribute("data-md-color-scheme", scheme());
  dark.addEventListener("change", follow);
  follow();
})();
</script>"""


class RepositoryLinks(Treeprocessor):
    """Lets links that leave the pages lead to the repository, or name the file."""

    def __init__(self, md: Markdown, docs: Path, address: str | None, page: str) -> None:
        super().__init__(md)
        self.docs = docs
        self.address = address
        self.page = page

    def run(self, root: ElementTree.Element) -> None:
        """Change the links below `root`."""
        for link in root.iter("a"):
            path = self._outside(link.get("href", ""))
            if path is not None:
                self._change(link, path)

    def _outside(self, href: str) -> str | None:
        parts = urlsplit(href)
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
            return None
        folder = posixpath.join(self.docs.name, posixpath.dirname(self.page))
        path = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
        inside = path.startswith(f"{self.docs.name}/") and not path.startswith(
            f"{self.docs.name}/tools/"
        )
        if inside:
            return None
        if path.startswith("..") or not (self.docs.parent / path).exists():
            LOG.warning("%s: %s is no file of the repository", self.page, href)
        return path

    def _change(self, link: ElementTree.Element, path: str) -> None:
        if self.address:
            kind = "tree" if (self.docs.parent / path).is_dir() else "blob"
            link.set("href", f"{self.address.rstrip('/')}/{kind}/main/{path}")
            return
        text = "".join(link.itertext())
        link.tag = "span"
        link.attrib.clear()
        link.set("class", "repository-file")
        link.set("title", f"{path} in the repository")
        if posixpath.basename(path) not in self._plain(text):
            link.tail = f" ({path}){link.tail or ''}"

    def _plain(self, text: str) -> str:
        """`text` with what Markdown has put aside, such as code, in its place."""
        stash = self.md.htmlStash.rawHtmlBlocks
        return re.sub("\x02wzxhzdk:(\\d+)\x03", lambda held: str(stash[int(held[1])]), str(text))


class Links(Extension):
    """The same as an extension of Markdown.

    Attributes:
        page: path below docs of the page that comes next.
    """

    def __init__(self, docs: Path, address: str | None) -> None:
        super().__init__()
        self.docs = docs
        self.address = address
        self.page = ""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the links, before MkDocs' own at priority 0."""
        links = RepositoryLinks(md, self.docs, self.address, self.page)
        md.treeprocessors.register(links, "repository_links", 5)


_links: Links | None = None


def on_config(config: Any) -> Any:
    """Add the extension for links, give headings the anchors that forges give them."""
    global _links
    docs = Path(config.docs_dir)
    _links = Links(docs, config.extra.get("repository"))
    config.markdown_extensions.append(_links)
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Tell the extension which page comes next."""
    assert _links is not None
    _links.page = page.file.src_uri
    return markdown


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Replace TeX by MathML."""

    def convert(match: re.Match[str]) -> str:
        return mathml(html.unescape(match["tex"]), match["tag"] == "div", page.file.src_uri)

    return MATHEMATICS.sub(convert, content)


def mathml(tex: str, display: bool, page: str) -> str:
    """MathML of a formula in TeX; warns, naming `page`, where a command is not understood."""
    try:
        text = latex2mathml.converter.convert(tex, display="block" if display else "inline")
    except Exception as error:
        LOG.warning("%s: formula %s: %s: %s", page, tex, type(error).__name__, error)
        return f"<code>{html.escape(tex)}</code>"
    left = re.search(r"\\[A-Za-z]+", text) or re.search("&#x0005C;[A-Za-z]+", text)
    if left:
        LOG.warning("%s: formula %s: %s is not understood", page, tex, html.unescape(left[0]))
    return SIGN.sub(r'\1<mo form="prefix">&#x02212;</mo>', text)


def on_post_page(output: str, **_: Any) -> str:
    """Let the colours follow the system, before anything is drawn."""
    return re.sub(r"<body[^>]*>", lambda body: body[0] + SCHEME, output, count=1)
