"""Errors that a client may see. Each has a stable `code`; `gateway.api.problems` gives them the shape a path speaks."""

from __future__ import annotations


class ServiceError(Exception):
    """A failure with a name that clients can rely on.

    `status` is the HTTP status, `code` a stable snake_case name, `detail` one sentence for a person that says what is
    wrong and which part of the request it concerns. `retry_after_s` becomes the `Retry-After` header. `param` is the
    field that is at fault, like `messages[0].content`, and `part` where it stands in the request, in FastAPI's words.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_s: int | None = None,
        param: str | None = None,
        part: str = "body",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.param = param
        self.part = part

    def about(self, what: str) -> ServiceError:
        """The same, of one thing among several that a request has."""
        return ServiceError(
            self.status,
            self.code,
            f"{what}: {self.detail}",
            retry_after_s=self.retry_after_s,
            param=self.param,
            part=self.part,
        )
