"""Why a request is refused: an HTTP status and one sentence for the page."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pnr_jax.errors import UserError


class Refusal(UserError):
    """A request that the studio does not carry out."""

    def __init__(self, status: int, sentence: str):
        """Takes the HTTP status, 4xx or 503, and the sentence that the page shows."""
        super().__init__(sentence)
        self.status = status


async def refuse(request: Request, error: Exception) -> Response:
    """Answers with the status and the sentence of a refusal."""
    if isinstance(error, HTTPException):
        sentence = {404: "There is nothing here.", 405: "This cannot be asked in this way."}
        status, text = error.status_code, sentence.get(error.status_code, error.detail)
    else:
        status, text = getattr(error, "status", 400), str(error)
    return JSONResponse({"error": text}, status)


async def fail(request: Request, error: Exception) -> Response:
    """Answers for what should not have happened."""
    return JSONResponse({"error": "The studio failed at this; its terminal says why."}, 500)
