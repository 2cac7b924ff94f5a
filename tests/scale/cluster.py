"""A Ray cluster of one or more nodes on this machine, each in a network namespace where asked."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.ports import free_port

ROOT: Final = Path(__file__).parents[2]
KEY: Final = "sesame"
DOOR_PORT: Final = 8422
_HEAD_PORT: Final = 6389
_NETWORK: Final = "10.77.0"
_BRIDGE: Final = "cimiento-test"
# a loaded machine is slow, and a slow answer is no failure of what is tested
_PATIENCE: Final = {
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "300",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}
_RAY: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    **_PATIENCE,
}


def eventually(holds: Callable[[], bool], *, within_s: float = 1200.0) -> bool:
    """Whether something comes to hold."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@dataclass
class Node:
    """A machine, as Ray sees it: `ray start` in the foreground, in a namespace or in none."""

    ip: str
    command: list[str]
    prefix: list[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Ray here, as a service manager would."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.prefix, *self.command],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def runs(self) -> bool:
        """Whether Ray has not ended here."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End it, and with it whatever it started."""
        if self.process is not None and self.runs:
            self.process.terminate()
            self.process.wait(120)


@dataclass
class Cluster:
    """Nodes, the first of which is the head; commands run on it."""

    folder: Path
    environment: dict[str, str]
    nodes: list[Node] = field(default_factory=list)
    commands: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def head(self) -> Node:
        """The first node."""
        return self.nodes[0]

    @property
    def address(self) -> str:
        """What `--cluster` takes."""
        return f"{self.head.ip}:{_HEAD_PORT}"

    def door(self, node: int = 0) -> str:
        """Where a node answers for the fleet."""
        return f"http://{self.nodes[node].ip}:{DOOR_PORT}"

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """A `cimiento` command on the head, under way."""
        command = subprocess.Popen(
            [*self.head.prefix, sys.executable, "-m", "app.cli", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.commands.append(command)
        return command

    def fleet(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        """A `cimiento fleet` command on the head, under way."""
        return self.begin("fleet", command, *arguments, "--cluster", self.address)

    def run(self, command: str, *arguments: str) -> tuple[int, str]:
        """The same to its end: exit code, and what it said."""
        process = self.fleet(command, *arguments)
        said, errors = process.communicate(timeout=1800)
        return process.returncode, said + errors

    def logs(self) -> str:
        """What the nodes said, for whoever looks for a failure."""
        return "\n".join(node.log.read_text(errors="replace") for node in self.nodes)


@contextmanager
def one_node(settings: Mapping[str, str], *, num_cpus: int = 2) -> Iterator[Cluster]:
    """A cluster of one node on the loopback address."""
    with _cluster(settings) as cluster:
        _add(cluster, "127.0.0.1", prefix=[], num_cpus=num_cpus)
        yield cluster


@contextmanager
def two_nodes(settings: Mapping[str, str]) -> Iterator[Cluster]:
    """Two nodes with a network each, joined by a bridge on which this process is as well.

    Needs root.
    """
    with _network(2), _cluster(settings) as cluster:
        for number in (1, 2):
            prefix = ["ip", "netns", "exec", _namespace(number)]
            _add(cluster, f"{_NETWORK}.{number}", prefix=prefix, num_cpus=1)
        yield cluster


def cut(number: int) -> None:
    """From now on nothing gets to or from the node, and nobody is told."""
    _ip("link", "set", f"cim{number}", "nomaster")


def mend(number: int) -> None:
    """Join it to the others again."""
    _ip("link", "set", f"cim{number}", "master", _BRIDGE)


def can_part_networks() -> bool:
    """Whether this process may make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = subprocess.run(
        ["ip", "netns", "add", "cimiento-probe"], capture_output=True, check=False
    )
    subprocess.run(["ip", "netns", "del", "cimiento-probe"], capture_output=True, check=False)
    return made.returncode == 0


@contextmanager
def _cluster(settings: Mapping[str, str]) -> Iterator[Cluster]:
    # short: a socket's path has 107 bytes at most
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    binaries = str(Path(sys.executable).parent)
    environment = {
        "PATH": f"{binaries}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(Path.home()),
        **_RAY,
        **settings,
        "CIMIENTO_WORKER__API_KEY": KEY,
        # as long as a text takes on a loaded machine: what ends late was not cut off
        "CIMIENTO_WORKER__DRAIN_S": "1500",
        "CIMIENTO_GENERATION__NUM_THREADS": "1",
        "CIMIENTO_GENERATION__MAX_CONTEXT": "2048",
        "CIMIENTO_WORKER__PORT": str(free_port()),
    }
    cluster = Cluster(folder, environment)
    try:
        yield cluster
    finally:
        for command in cluster.commands:
            command.kill()
            command.communicate()
        for node in reversed(cluster.nodes):
            node.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _add(cluster: Cluster, ip: str, *, prefix: Sequence[str], num_cpus: int) -> None:
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block"]
    common = ["--num-cpus", str(num_cpus), "--object-store-memory", "100000000"]
    common += ["--node-ip-address", ip, "--disable-usage-stats"]
    if cluster.nodes:
        where = ["--address", cluster.address]
    else:
        where = ["--head", "--port", str(_HEAD_PORT), "--include-dashboard", "false"]
        where += ["--temp-dir", str(cluster.folder)]
    log = cluster.folder / f"node-{len(cluster.nodes)}.log"
    node = Node(ip, [*ray, *where, *common], list(prefix), cluster.environment, log)
    cluster.nodes.append(node)

    def is_up() -> bool:
        if not node.runs:
            # Ray gives its own parts half a minute, and a busy machine needs more
            node.start()
        return "Ray runtime started" in log.read_text()

    assert eventually(is_up), log.read_text()


@contextmanager
def _network(num_nodes: int) -> Iterator[None]:
    _ip("link", "add", _BRIDGE, "type", "bridge")
    try:
        _ip("address", "add", f"{_NETWORK}.254/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for number in range(1, num_nodes + 1):
            _join(number)
        yield
    finally:
        for number in range(1, num_nodes + 1):
            subprocess.run(
                ["ip", "netns", "del", _namespace(number)], check=False, capture_output=True
            )
        _ip("link", "del", _BRIDGE)


def _join(number: int) -> None:
    inside = ["netns", "exec", _namespace(number), "ip"]
    _ip("netns", "add", _namespace(number))
    peer = ["peer", "name", "eth0", "netns", _namespace(number)]
    _ip("link", "add", f"cim{number}", "type", "veth", *peer)
    _ip("link", "set", f"cim{number}", "master", _BRIDGE, "up")
    _ip(*inside, "address", "add", f"{_NETWORK}.{number}/24", "dev", "eth0")
    for name in ("lo", "eth0"):
        _ip(*inside, "link", "set", name, "up")


def _namespace(number: int) -> str:
    return f"cimiento-{number}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
