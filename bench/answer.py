"""A server that answers every request with one body: what an adapter costs beside it is the adapter's own.

As a process (`python -m bench.answer`) it prints its port; POST /control sets the body.
"""

import sys

import uvloop

from bench import processes, wire


class Answer:
    """Every request but the control's is answered with the body last set."""

    def __init__(self) -> None:
        self.listener = wire.Listener(self.handle)
        self._body = b"{}"

    def handle(self, exchange: wire.Exchange) -> None:
        if exchange.path == "/control":
            self._body = exchange.body
            exchange.reply(200, b"{}")
        else:
            exchange.reply(200, self._body)


async def main() -> None:
    answer = Answer()
    await answer.listener.up()
    processes.announce({"port": answer.listener.port})
    await processes.parent_gone()
    await answer.listener.down()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
