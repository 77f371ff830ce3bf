"""One thread's sandbox: its persistent shell, and programs that run by themselves."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from podium.core.ports import Place, Ran
from podium.errors import SandboxUnavailable
from podium.sandbox.process import Process, StartFailed, memory
from podium.sandbox.remedies import start_refusal
from podium.sandbox.shell import ARGV, Kept, Output, sent, token


class Launch(Protocol):
    """Starts one bubblewrap that shows a certain place."""

    def __call__(self, argv: Sequence[str], *, stdin: int, on_output: Callable[[bytes], None]) -> Process: ...


class BubblewrapSandbox:
    """A sandbox for one thread. `prepare` gives the way to start processes, once the self-test has passed."""

    def __init__(self, place: Place, prepare: Callable[[], Awaitable[Launch]]) -> None:
        self.place = place
        self._prepare = prepare
        self._turn = asyncio.Lock()
        self._shell: _Shell | None = None
        self._live: set[Process] = set()
        self._is_closed = False

    async def shell(self, command: str, *, timeout_s: float) -> Ran:
        """Run a command in the persistent shell. A timeout or a cancellation kills that shell."""
        line = _encoded(command)
        async with self._turn:
            new = False
            while True:
                if self._shell is None or self._shell.process.ended.done():
                    await self._start_shell()
                    new = True
                shell = self._shell
                assert shell is not None
                ran = await self._call(shell, line, timeout_s)
                if not ran.lost_shell or ran.timed_out or shell.output.has_begun or new:
                    return replace(ran, new_shell=new)
                # The shell had ended by itself, unnoticed, before it read the command: nothing of it has run.

    async def _call(self, shell: "_Shell", line: bytes, timeout_s: float) -> Ran:
        timed_out = False
        finished: tuple[int, Kept] | None = None
        try:
            async with asyncio.timeout(timeout_s):
                finished = await shell.run(line)
        except TimeoutError:
            timed_out = True
        except BaseException:
            await self._end(shell.process)
            raise
        if finished is None:
            exit_code = None if timed_out or shell.process.is_killed else shell.process.exit_code
            await self._end(shell.process)
            kept = shell.output.take()
        else:
            exit_code, kept = finished
        return Ran(
            output=kept.whole(),
            exit_code=exit_code,
            dropped_bytes=kept.dropped_bytes,
            timed_out=timed_out,
            lost_shell=finished is None,
        )

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, keep_bytes: int) -> Ran:
        """Run one program by itself: the same folders, another process tree."""
        kept = Kept(keep_bytes, 0)
        process = await self._start(argv, lambda: memory(stdin), kept.add)
        timed_out = False
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(process.ended)
        except TimeoutError:
            timed_out = True
        finally:
            stopped = timed_out or process.is_killed
            await self._end(process)
        return Ran(
            output=kept.head(),
            errors=process.errors,
            exit_code=None if stopped else process.exit_code,
            dropped_bytes=kept.dropped_bytes,
            timed_out=timed_out,
        )

    async def restart(self) -> None:
        """Kill the persistent shell, also under a call that waits for it."""
        if self._shell is not None:
            await self._end(self._shell.process)

    async def close(self) -> None:
        """Kill everything; later calls are refused."""
        self._is_closed = True
        await asyncio.gather(*(self._end(process) for process in tuple(self._live)))

    async def _start_shell(self) -> None:
        if self._shell is not None:
            await self._end(self._shell.process)
        shell = _Shell()
        try:
            shell.hold(await self._start(ARGV, shell.stdin, shell.take))
        except BaseException:
            shell.put_down()
            raise
        self._shell = shell

    async def _start(
        self, argv: Sequence[str], stdin: Callable[[], int], on_output: Callable[[bytes], None]
    ) -> Process:
        launch = await self._prepare()
        if self._is_closed:
            raise SandboxUnavailable("this sandbox was closed. Open another one for the thread.")
        process = launch(argv, stdin=stdin(), on_output=on_output)
        self._live.add(process)
        try:
            await process.ready()
        except StartFailed as error:
            await self._end(process)
            raise SandboxUnavailable(start_refusal(str(error))) from error
        except BaseException:
            await self._end(process)
            raise
        return process

    async def _end(self, process: Process) -> None:
        await process.kill()
        self._live.discard(process)


class _Shell:
    """The persistent shell: its process, what it prints, and the pipe it reads commands from."""

    process: Process

    def __init__(self) -> None:
        self.output = Output()
        self._loop = asyncio.get_running_loop()
        self._pen = -1
        self._unsent = memoryview(b"")
        self._finished: asyncio.Future[tuple[int, Kept]] | None = None

    def stdin(self) -> int:
        """The end of its pipe that bash reads."""
        theirs, self._pen = os.pipe()
        os.set_blocking(self._pen, False)
        return theirs

    def hold(self, process: Process) -> None:
        self.process = process
        process.ended.add_done_callback(lambda _: self.put_down())

    async def run(self, command: bytes) -> tuple[int, Kept] | None:
        """The exit code and the output, or None if the shell ended instead."""
        mark = token()
        self.output.expect(mark)
        self._finished = finished = self._loop.create_future()
        self._unsent = memoryview(sent(command, mark))
        self._send()
        await asyncio.wait((finished, self.process.ended), return_when=asyncio.FIRST_COMPLETED)
        return finished.result() if finished.done() else None

    def take(self, data: bytes) -> None:
        """Take what it printed."""
        if (finished := self.output.add(data)) and self._finished is not None and not self._finished.done():
            self._finished.set_result(finished)

    def _send(self) -> None:
        if self._pen < 0:
            return
        while self._unsent:
            try:
                written = os.write(self._pen, self._unsent)
            except BlockingIOError:
                self._loop.add_writer(self._pen, self._send)
                return
            except BrokenPipeError:
                break
            self._unsent = self._unsent[written:]
        self._loop.remove_writer(self._pen)

    def put_down(self) -> None:
        """Close its pipe."""
        if self._pen >= 0:
            self._loop.remove_writer(self._pen)
            os.close(self._pen)
            self._pen = -1


def _encoded(command: str) -> bytes:
    try:
        line = command.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError("the command holds characters that are no valid text") from error
    if b"\0" in line:
        raise ValueError("the command holds a NUL character, which no shell can read")
    return line
