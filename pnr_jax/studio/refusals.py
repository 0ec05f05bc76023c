"""Why a request is refused: an HTTP status and one sentence for the page."""

from pnr_jax.errors import UserError


class Refusal(UserError):
    """A request that the studio does not carry out."""

    def __init__(self, status: int, sentence: str):
        """HTTP status 4xx or 503, and the sentence that the page shows."""
        super().__init__(sentence)
        self.status = status
