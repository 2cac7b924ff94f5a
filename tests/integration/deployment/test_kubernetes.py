"""The manifests say what they promise, in what kustomize makes of them."""

from pathlib import Path
from typing import Final

import pytest

from app.api import health
from generation.worker.routes import ROUTES
from tests.integration.deployment.files import (
    DEPLOY,
    OUR_IMAGES,
    OVERLAYS,
    compose,
    container_of,
    environment_of,
    of_kind,
    parse_command,
    pod_of,
    settings_from,
    workloads,
)

PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A Secret with every key that a pod is given."""
    (tmp_path / "database-url").write_text("postgresql+psycopg://cimiento:x@db/cimiento")
    for name in ("worker-key", "blobs-access-key", "blobs-secret-key"):
        (tmp_path / name).write_text("a-key")
    return tmp_path


def test_what_runs() -> None:
    assert set(workloads("single")) == {"cimiento"}
    for overlay in ("scaled", "scaled-cpu", "scaled-s3"):
        found = workloads(overlay)
        replicas = {name: each["spec"].get("replicas") for name, each in found.items()}
        assert replicas == {"api": 2, "ingest": 2, "proxy": 2, "generate": 1, "migrate": None}


@each_overlay
def test_every_pod_is_hardened(overlay: str) -> None:
    for workload in workloads(overlay).values():
        pod, container = pod_of(workload), container_of(workload)
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        is_ours = container["image"] in OUR_IMAGES
        assert context["runAsUser"] == context["runAsGroup"] == (10001 if is_ours else 99)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])


@each_overlay
def test_images_are_those_of_the_compose_file(overlay: str) -> None:
    known = {each["image"] for each in compose()["services"].values()}
    assert {container_of(each)["image"] for each in workloads(overlay).values()} <= known


@each_overlay
def test_every_command_and_every_setting_is_ours(overlay: str, secrets: Path) -> None:
    for workload in workloads(overlay).values():
        container = container_of(workload)
        if container["image"] in OUR_IMAGES:
            parse_command(container["args"])
            environment = environment_of(overlay, container)
            settings_from(environment, secrets)
            files = [value for key, value in environment.items() if key.endswith("_FILE")]
            assert all(Path(path).parent == Path("/run/secrets/cimiento") for path in files)
            assert {Path(path).name for path in files} == set(mounted_secrets(workload))


def mounted_secrets(workload: dict[str, object]) -> list[str]:
    volumes = pod_of(workload)["volumes"]
    return [
        item["path"] for volume in volumes for item in volume.get("secret", {}).get("items", ())
    ]


@pytest.mark.parametrize("overlay", ["scaled", "scaled-cpu"])
def test_the_roles_find_one_another(overlay: str, secrets: Path) -> None:
    found = {
        name: settings_from(environment_of(overlay, container_of(each)), secrets)
        for name, each in workloads(overlay).items()
        if name != "proxy"
    }
    urls = found["api"].generation.urls
    replicas = workloads(overlay)["generate"]["spec"]["replicas"]
    assert urls == tuple(f"http://generate-{each}.generate:8421" for each in range(replicas))
    assert found["api"].generation.api_key == found["generate"].worker.api_key
    assert found["api"].models.answer == found["generate"].models.answer
    for role in ("ingest", "migrate"):
        assert found[role].database_url == found["api"].database_url
    for role in ("api", "ingest"):
        (data,) = [
            each for each in pod_of(workloads(overlay)[role])["volumes"] if each["name"] == "data"
        ]
        assert data["persistentVolumeClaim"] == {"claimName": "shared"}
    (claim,) = of_kind(overlay, "PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_with_a_bucket_no_disk_is_shared(secrets: Path) -> None:
    assert of_kind("scaled-s3", "PersistentVolumeClaim") == {}
    for role in ("api", "ingest"):
        workload = workloads("scaled-s3")[role]
        told = settings_from(environment_of("scaled-s3", container_of(workload)), secrets).blobs
        assert (told.url, told.secret_key is not None) == ("s3://cimiento/documents", True)
        volumes = {each["name"]: each for each in pod_of(workload)["volumes"]}
        assert volumes["data"] == {"name": "data", "emptyDir": {}}


@each_overlay
def test_every_probe_asks_a_route_of_its_role(overlay: str) -> None:
    ours = {getattr(route, "path", "") for route in health.router.routes}
    served = {8420: ours, 8421: {route.path for route in ROUTES}, 8404: {"/alive"}}
    num_probes = 0
    for workload in workloads(overlay).values():
        container = container_of(workload)
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        for probe in (container[name]["httpGet"] for name in PROBES if name in container):
            assert probe["path"] in served[ports[probe["port"]]]
            num_probes += 1
    assert num_probes == (3 if overlay == "single" else 8)


@each_overlay
def test_every_service_and_budget_selects_pods_that_there_are(overlay: str) -> None:
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in workloads(overlay).values()]
    selectors = [each["spec"]["selector"] for each in of_kind(overlay, "Service").values()]
    budgets = of_kind(overlay, "PodDisruptionBudget")
    selectors += [each["spec"]["selector"]["matchLabels"] for each in budgets.values()]
    for selector in selectors:
        assert len([labels for labels in pods if selector.items() <= labels.items()]) == 1
    expected = set() if overlay == "single" else {"api", "ingest", "generate", "proxy"}
    assert set(budgets) == expected


def test_a_card_is_asked_for_where_there_are_some() -> None:
    limits = {
        overlay: container_of(workloads(overlay)["generate"])["resources"]["limits"]
        for overlay in ("scaled", "scaled-cpu")
    }
    assert limits["scaled"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in limits["scaled-cpu"]


def test_the_proxy_of_the_cluster_is_the_one_of_the_compose_file() -> None:
    maps = of_kind("scaled", "ConfigMap")
    (held,) = [each["data"] for name, each in maps.items() if name.startswith("haproxy-")]
    assert held["haproxy.cfg"] == (DEPLOY / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")
