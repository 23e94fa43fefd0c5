"""Single HTTP calls to servers of this machine, as `httpx.get` and its kin make them.

Those load the machine's certificates at each call, which takes 40 ms of CPU; a test that waits for something asks fifty
times a second. The time-out only ends a run that hangs.
"""

from __future__ import annotations

from functools import partial

import httpx

from tests.support.waiting import WAIT_S

get = partial(httpx.get, verify=False, timeout=WAIT_S)
post = partial(httpx.post, verify=False, timeout=WAIT_S)
put = partial(httpx.put, verify=False, timeout=WAIT_S)
delete = partial(httpx.delete, verify=False, timeout=WAIT_S)
options = partial(httpx.options, verify=False, timeout=WAIT_S)
