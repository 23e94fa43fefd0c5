"""Reads a document with the Python client.  python python_client.py scan.pdf"""

import sys

from paddleocr_vl_client import APIError, Client

file = sys.argv[1]
try:
    with Client() as client:  # PADDLEOCR_VL_URL and PADDLEOCR_VL_API_KEY, or Client("http://host:8081", api_key="…")
        # The pages as they are read, with the blocks of each.
        with client.stream(file) as pages:
            for page in pages:
                for block in page.blocks:
                    print(f"page {page.page}  {block.label}  {block.bbox}  {block.content[:60]!r}")

        # In the background, for long documents: the job outlives this program.
        job = client.jobs.wait(client.jobs.submit(file).id)
        print(client.jobs.result(job.id).markdown)
except APIError as error:
    sys.exit(f"{file}: {error}")
