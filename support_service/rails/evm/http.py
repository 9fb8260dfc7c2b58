"""JSON-RPC bodies to a node of an EVM chain, written by web3's HTTPProvider."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from web3 import HTTPProvider
from web3.types import RPCEndpoint

from support_service.rails.chain.http import HttpAnswer, HttpConnection


class RpcQuestion(NamedTuple):
    """A method, and what it is asked with."""

    method: str
    params: Sequence[object]


class EvmHttp:
    """Sends JSON-RPC bodies to one node."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = HttpConnection(url, monotonic=monotonic)
        self.host = self._http.host
        self._provider = HTTPProvider(self._http.url, session=self._http.session, exception_retry_configuration=None)
        self._headers = {str(name): str(value) for name, value in self._provider.get_request_headers().items()}

    def encode(self, questions: Sequence[RpcQuestion]) -> bytes:
        """Write a JSON-RPC body: an object for one question, else a list; web3 numbers them."""
        calls = [(RPCEndpoint(one.method), one.params) for one in questions]
        if len(calls) == 1:
            return bytes(self._provider.encode_rpc_request(*calls[0]))
        return bytes(self._provider.encode_batch_rpc_request(calls))

    def post(self, body: bytes) -> HttpAnswer:
        """Send a body and read the whole answer; SourceDown where there is none within the bounds."""
        return self._http.post(self._http.url, body, self._headers)
