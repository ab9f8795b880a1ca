"""Collects what a page says."""

from streamlit.testing.v1 import AppTest


def said(page: AppTest) -> str:
    """Return all texts of a page, as its Markdown would be read."""
    kinds = (page.title, page.subheader, page.markdown, page.info, page.error, page.warning)
    texts = [each.value for kind in (*kinds, page.caption, page.success) for each in kind]
    return "\n".join(texts).replace("\\", "").replace("\u2060", "")
