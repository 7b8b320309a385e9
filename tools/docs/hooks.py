"""What MkDocs does besides: links that lead out of docs/ go to the repository, as they do when it is read there.

Where the address of the repository is not known (``CALOR_REPOSITORY_URL``), such a link becomes its text. One to a file
that does not exist is a warning, which ends a strict build.
"""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\((\.\.?/[^()\s#]+)(#[^()\s]*)?\)")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)

log = logging.getLogger("mkdocs.hooks.calor")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Rewrite the links of one page, outside of its code."""
    repository, folder = Path(config.config_file_path).parent, posixpath.dirname(f"docs/{page.file.src_uri}")

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], posixpath.normpath(posixpath.join(folder, found[2])), found[3] or ""
        if target.startswith("docs/"):
            return found[0]
        if not (repository / target).exists():
            log.warning("%s links to %s, which the repository does not have", page.file.src_uri, target)
        if not config.repo_url:
            return text
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/HEAD/{target}{anchor})"

    pieces, end = [], 0
    for code in FENCED.finditer(markdown):
        pieces += [LINK.sub(link, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, LINK.sub(link, markdown[end:])])
