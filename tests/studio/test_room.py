"""What is kept, and who waits."""

import asyncio
import threading

import pytest

from pnr_jax.studio.refusals import Refusal
from pnr_jax.studio.room import Kept, Queue


def test_the_least_recently_used_goes():
    kept = Kept(2, "It is gone.")
    first, second = kept.add("a"), kept.add("b")
    assert kept[first] == "a"
    third = kept.add("c")
    assert (kept[first], kept[third], len(kept)) == ("a", "c", 2)
    with pytest.raises(Refusal, match="It is gone") as caught:
        kept[second]
    assert caught.value.status == 404
    assert len({first, second, third}) == 3


def test_of_those_waiting_under_a_name_the_newest_runs():
    async def scenario():
        queue, gate, ran = Queue(), threading.Event(), []

        def job(name):
            def work():
                gate.wait(10)
                ran.append(name)
                return name

            return work

        tasks = [asyncio.create_task(queue.run("person", job("first")))]
        await asyncio.sleep(0.02)  # It is running now.
        names = [("person", "second"), ("other", "third"), ("person", "fourth")]
        tasks += [asyncio.create_task(queue.run(*(key, job(name)))) for key, name in names]
        await asyncio.sleep(0.02)
        gate.set()
        return await asyncio.gather(*tasks), ran, queue._newest

    results, ran, left = asyncio.run(scenario())
    assert results == ["first", None, "third", "fourth"]
    assert ran == ["first", "third", "fourth"]
    assert left == {}


def test_a_job_that_fails_lets_the_next_one_run():
    async def scenario():
        queue = Queue()
        with pytest.raises(ZeroDivisionError):
            await queue.run("a", lambda: 1 / 0)
        return await queue.run("a", lambda: 2)

    assert asyncio.run(scenario()) == 2
