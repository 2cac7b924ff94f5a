"""docker-compose.yml says what it promises: roles that start, hardened, with secrets in files."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from app.api import health
from generation.worker.routes import ROUTES
from tests.house import ROOT
from tests.integration.deployment.files import (
    OUR_IMAGES,
    PROFILES,
    compose,
    parse_command,
    secret_names,
    services,
    settings_from,
)

SERVICES: Final = tuple(compose()["services"].items())
OURS: Final = tuple((name, each) for name, each in SERVICES if each["image"] in OUR_IMAGES)
# with a default that holds where nobody says otherwise
VARIABLE: Final = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")
SECRET: Final = re.compile(r"PASSWORD|SECRET|API_KEY|DATABASE__URL|CREDENTIAL")
ASKED: Final = re.compile(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)")

each_service = pytest.mark.parametrize("name", [name for name, _ in SERVICES])
each_of_ours = pytest.mark.parametrize("name", [name for name, _ in OURS])


def environment_of(name: str) -> dict[str, str]:
    given = compose()["services"][name].get("environment", {})
    return {key: VARIABLE.sub(r"\1", value) for key, value in given.items()}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Secrets as deploy/make-secrets.sh makes them."""
    script = tmp_path / "deploy" / "make-secrets.sh"
    script.parent.mkdir()
    shutil.copyfile(ROOT / "deploy" / "make-secrets.sh", script)
    subprocess.run(["sh", script], check=True)
    return script.parent / "secrets"


def test_what_is_started_unless_somebody_says_otherwise_is_one_container() -> None:
    lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["COMPOSE_PROFILES=single"]
    assert list(services("single")) == ["cimiento"]


@pytest.mark.parametrize(
    ("profile", "generate"), [("scaled", "generate"), ("scaled-cpu", "generate-cpu")]
)
def test_the_scaled_profiles_start_every_role(profile: str, generate: str) -> None:
    found = services(profile)
    others = {"proxy", "migrate", "postgres", "prometheus", "grafana"}
    assert set(found) == others | {"api", "ingest", generate}
    assert {name: found[name]["deploy"]["replicas"] for name in ("api", "ingest")} == {
        "api": 2,
        "ingest": 2,
    }
    # the same name leads to either
    assert found[generate]["networks"]["default"]["aliases"] == ["generate"]


def test_only_the_profile_for_cards_asks_for_one() -> None:
    every = compose()["services"]
    (device,) = every["generate"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert every["generate"]["build"]["target"] == "cuda"
    assert [name for name, each in SERVICES if "reservations" in str(each)] == ["generate"]


@each_service
def test_every_container_is_hardened(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # ours are by their Dockerfile
    assert service["image"] in OUR_IMAGES or not service.get("user", "0").startswith("0")
    assert service["image"].partition(":")[2] not in ("", "latest")
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))


@each_service
def test_secrets_lie_in_files(name: str) -> None:
    service = compose()["services"][name]
    files = set(secret_names(service))
    for key, value in environment_of(name).items():
        if SECRET.search(key):
            assert key.endswith("_FILE"), f"{key} is in the environment, for all to see"
            assert value in files
    assert not any(SECRET.search(argument) for argument in service.get("command", ()))


def test_every_secret_is_made_and_kept_from_others(secrets: Path) -> None:
    wanted = {Path(each["file"]).name for each in compose()["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == wanted
    assert secrets.stat().st_mode & 0o777 == 0o700
    password = (secrets / "postgres_password").read_text().strip()
    assert re.fullmatch("[0-9a-f]{64}", password)
    assert password in (secrets / "database_url").read_text()
    # a second run changes nothing: the database keeps the password that it began with
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run(["sh", secrets.parent / "make-secrets.sh"], check=True)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/deploy/secrets/" in ignored


@each_of_ours
def test_every_setting_exists_and_has_a_value_that_fits(name: str, secrets: Path) -> None:
    settings_from(environment_of(name), secrets)


def test_the_roles_find_one_another(secrets: Path) -> None:
    api = settings_from(environment_of("api"), secrets)
    generate = settings_from(environment_of("generate"), secrets)
    assert api.database_url.startswith("postgresql+psycopg://cimiento:")
    for role in ("ingest", "migrate"):
        assert settings_from(environment_of(role), secrets).database_url == api.database_url
    assert api.generation.urls == (f"http://generate:{generate.worker.port}",)
    assert api.generation.api_key == generate.worker.api_key
    assert api.models.answer == generate.models.answer


@each_of_ours
def test_every_command_is_one_of_ours(name: str) -> None:
    parse_command(compose()["services"][name].get("command", ["serve"]))


@each_of_ours
def test_every_health_check_asks_a_route_of_its_role(name: str) -> None:
    service = compose()["services"][name]
    command = service.get("command", ["serve"])
    if command[0] != "serve" and command != ["worker", "generate"]:
        # neither migrations nor an ingestion worker has a port
        assert service["healthcheck"] == {"disable": True}
        return
    served: dict[str, set[str]] = {
        "8420": {getattr(route, "path", "") for route in health.router.routes},
        "8421": {route.path for route in ROUTES},
    }
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    test = service["healthcheck"]["test"] if "healthcheck" in service else [dockerfile]
    (port, path), *more = ASKED.findall(" ".join(test))
    assert not more
    assert port == ("8420" if command[0] == "serve" else "8421")
    assert path in served[port]


@pytest.mark.parametrize("profile", PROFILES)
def test_compose_itself_reads_the_file(profile: str) -> None:
    commands = (["docker", "compose"], ["docker-compose"])
    usable = (
        command
        for command in commands
        if shutil.which(command[0])
        and subprocess.run([*command, "version"], capture_output=True).returncode == 0
    )
    command = next(usable, None)
    if command is None:
        pytest.skip("Docker Compose is missing: neither 'docker compose' nor 'docker-compose' runs")
    done = subprocess.run(
        [*command, "--profile", profile, "config", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(services(profile))
