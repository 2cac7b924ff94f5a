"""Generation workers on Ray: found by the pool, more of them under load, one cut off and back."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx2
import pytest

from generation.errors import GeneratorUnavailableError
from generation.pool import GeneratorPool
from generation.remote import RemoteGenerator, Timeouts
from generation.types import Message, Sampling
from tests.scale.cluster import DOOR_PORT, KEY, Cluster, cut, eventually, mend

pytestmark = [pytest.mark.weights, pytest.mark.timeout(3600)]

MODEL = "smollm2-135m-instruct"
LONG = Sampling(temperature=0.0, max_tokens=1500)
SHORT = Sampling(temperature=0.0, max_tokens=8)


class Asker:
    """A pool that knows the fleet's address alone."""

    def __init__(self, pool: GeneratorPool) -> None:
        self.pool = pool

    def serving(self) -> set[str]:
        """Every worker that gets work."""
        return {member.url for member in self.pool.roster.members if member.serves}

    def text(self, number: int, sampling: Sampling = SHORT) -> str:
        """One text, for a prompt that begins like no other."""
        asked = [Message("user", f"{number} is a number. Tell me about it.")]
        return "".join(self.pool.stream(asked, sampling, cancelled=lambda: False))


@contextmanager
def asking(cluster: Cluster) -> Iterator[Asker]:
    """A pool over the fleet."""
    generator = RemoteGenerator(
        cluster.door(), MODEL, api_key=KEY, timeouts=Timeouts(connect_s=10.0, read_s=300.0)
    )
    with closing(GeneratorPool([generator], wait_s=300.0, lost_after_s=5.0)) as pool:
        pool.load()
        yield Asker(pool)


def serve(cluster: Cluster, *options: str) -> None:
    """Start or change the fleet."""
    ip = cluster.head.ip
    host = "127.0.0.1" if ip == "127.0.0.1" else "0.0.0.0"  # noqa: S104 - a test's own network
    code, said = cluster.run("serve", "--host", host, "--port", str(DOOR_PORT), *options)
    assert code == 0, said + cluster.logs()


def test_a_fleet_grows_under_load_and_ends_what_it_has_begun(alone: Cluster) -> None:
    serve(alone, "--max", "2", "--texts-each", "1", "--cpus-each", "0.5", "--shrink-after-s", "1")
    with asking(alone) as asker:
        assert eventually(lambda: len(asker.serving()) == 1)
        # the fleet's own address speaks the protocol too, and asks for the key
        assert httpx2.get(f"{alone.door()}/v1/models").status_code == 401
        key = {"Authorization": f"Bearer {KEY}"}
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "stream": True}
        url = f"{alone.door()}/v1/chat/completions"
        streamed = httpx2.post(url, json=body, headers=key, timeout=300).text
        assert streamed.count("data: ") >= 4
        assert streamed.rstrip().endswith("data: [DONE]")

        texts: dict[int, str] = {}
        asked = [
            threading.Thread(target=lambda each=each: texts.update({each: asker.text(each, LONG)}))
            for each in range(4)
        ]
        for thread in asked:
            thread.start()
        assert eventually(lambda: len(asker.serving()) == 2), alone.logs()
        # stopped while it writes: each worker ends its texts first
        stopping = alone.fleet("stop")
        for thread in asked:
            thread.join(1800)
        assert len(texts) == 4
        assert all(texts.values())
        assert stopping.wait(1800) == 0
        assert eventually(lambda: not asker.serving())


def test_a_node_is_cut_off_and_back_and_answers_go_on(parted: Cluster) -> None:
    serve(parted, "--min", "2", "--max", "2")
    with asking(parted) as asker:
        assert eventually(lambda: len(asker.serving()) == 2), parted.logs()
        near, far = sorted(asker.serving())
        assert parted.nodes[1].ip in far
        members = {member.url: member for member in asker.pool.roster.members}
        begun = members[far].generator.stream(
            [Message("user", "Tell me a long story.")], LONG, cancelled=lambda: False
        )
        next(begun)

        cut(2)
        with pytest.raises(GeneratorUnavailableError):
            list(begun)
        assert [bool(asker.text(number)) for number in range(10)] == [True] * 10
        assert asker.serving() == {near}

        mend(2)

        def is_whole() -> bool:
            if not parted.nodes[1].runs:
                # Ray gave the node up: what a service manager does
                parted.nodes[1].start()
            return len(asker.serving()) == 2 and any(
                parted.nodes[1].ip in u for u in asker.serving()
            )

        assert eventually(is_whole), parted.logs()
        assert [bool(asker.text(number)) for number in range(10, 20)] == [True] * 10
