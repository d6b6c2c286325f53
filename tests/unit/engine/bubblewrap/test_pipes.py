"""What a process reads and writes, while others write and close."""

from __future__ import annotations

import os
import threading
import time

import pytest

from pytest_alpine.engine.bubblewrap.pipes import PipeStream
from pytest_alpine.engine.exec.process import STDERR, STDOUT


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


def opened() -> tuple[PipeStream, tuple[int, int, int]]:
    """Return a stream, and the descriptors that a process would have."""
    (stdin, feed), (stdout, out), (stderr, err) = os.pipe(), os.pipe(), os.pipe()
    return PipeStream(feed, stdout, stderr), (stdin, out, err)


def descriptors() -> set[str]:
    with os.scandir("/proc/self/fd") as found:
        return {entry.name for entry in found}


def closed(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def test_both_outputs_up_to_their_ends() -> None:
    stream, (stdin, out, err) = opened()
    os.write(out, b"out")
    os.write(err, b"err")
    closed(out, err)
    assert sorted(stream.receive(soon())) == [(STDOUT, b"out"), (STDERR, b"err")]
    stream.send(b"in", soon())
    stream.end_input()
    assert os.read(stdin, 10) == b"in"
    assert os.read(stdin, 10) == b""
    stream.close()
    stream.close()
    closed(stdin)


def test_who_stops_reading_gets_the_rest_later() -> None:
    stream, inside = opened()
    os.write(inside[1], b"first")
    assert next(stream.receive(soon())) == (STDOUT, b"first")
    os.write(inside[1], b"second")
    assert next(stream.receive(soon())) == (STDOUT, b"second")
    stream.close()
    closed(*inside)


def test_deadlines() -> None:
    stream, inside = opened()
    with pytest.raises(TimeoutError):
        list(stream.receive(soon(0.05)))
    with pytest.raises(TimeoutError):
        stream.send(bytes(1 << 20), soon(0.05))
    stream.close()
    closed(*inside)


def test_nobody_reads_any_more() -> None:
    stream, inside = opened()
    closed(*inside)
    with pytest.raises(BrokenPipeError):
        stream.send(b"x", soon())
    stream.close()
    with pytest.raises(ConnectionResetError):
        stream.send(b"x", soon())
    with pytest.raises(ConnectionResetError):
        list(stream.receive(soon()))


def test_closing_wakes_who_reads_and_closes_nothing_under_them() -> None:
    stream, inside = opened()
    before = descriptors()
    thread = threading.Thread(target=lambda: list(stream.receive(soon())))
    thread.start()
    time.sleep(0.05)
    stream.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(before - descriptors()) >= 4
    closed(*inside)


def test_what_else_is_closed_with_it() -> None:
    reading, writing = os.pipe()
    pipes = [os.pipe() for _ in range(3)]
    stream = PipeStream(pipes[0][1], pipes[1][0], pipes[2][0], reading)
    stream.close()
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    closed(writing, pipes[0][0], pipes[1][1], pipes[2][1])
