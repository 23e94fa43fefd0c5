"""Loads a document's pages into LangChain, each with its place.  python langchain_loader.py scan.pdf"""

import sys
from collections.abc import Iterator

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from paddleocr_vl_client import Client


class PaddleOcrVlLoader(BaseLoader):
    """A Document for each page of a path or URL, as soon as it is read."""

    def __init__(self, source: str) -> None:
        self.source = source

    def lazy_load(self) -> Iterator[Document]:
        with Client() as client, client.stream(self.source, images="none") as pages:
            for page in pages:
                metadata = {"source": self.source, "page": page.page, "total_pages": pages.start.document.pages_total}
                yield Document(page.markdown, metadata=metadata)


for document in PaddleOcrVlLoader(sys.argv[1]).lazy_load():
    print(document.metadata)
    print(document.page_content)
