"""Asks the VLM about one picture with OpenAI's client.  python python_openai.py page.png"""

import base64
import mimetypes
import os
import sys
from pathlib import Path

from openai import OpenAI

file = Path(sys.argv[1])
url = os.environ.get("PADDLEOCR_VL_URL", "http://localhost:8081")
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ.get("PADDLEOCR_VL_API_KEY") or "none is asked for")
media_type = mimetypes.guess_type(file.name)[0] or "image/png"
picture = f"data:{media_type};base64,{base64.b64encode(file.read_bytes()).decode()}"

stream = client.chat.completions.create(
    model=client.models.list().data[0].id,
    messages=[
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": picture}},
                # Or "Table Recognition:", "Formula Recognition:", "Chart Recognition:"
                {"type": "text", "text": "OCR:"},
            ],
        }
    ],
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")
print()
