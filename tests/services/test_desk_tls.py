"""The desk's second door: the same API over TLS, beside the plain one on loopback."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from workbench.api.app import build_app
from workbench.domain.errors import InputError
from workbench.services.desk_main import Tls, serve_desk
from workbench.services.settings import load_profile
from workbench.storage.home import Home


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = tmp_path / "desk.pem", tmp_path / "desk.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=desk", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


async def test_both_doors_serve_the_same_and_the_desk_file_names_both(tmp_path: Path, files: tuple[Path, Path]) -> None:
    place, profile = Home(tmp_path / "home"), load_profile("sim", simulator_url="http://127.0.0.1:9")
    async with serve_desk(place, profile, build_app, port=0, tls=Tls(*files)):
        told = json.loads((place.desk / "desk.json").read_text())
        headers = {"authorization": f"Bearer {told['token']}"}
        trusted = ssl.create_default_context(cafile=str(files[0]))
        async with httpx.AsyncClient(verify=trusted, trust_env=False, headers=headers) as client:
            for url in (told["url"], told["tls_url"]):
                assert (await client.get(f"{url}/api/stop")).json()["latched"] is False
        async with httpx.AsyncClient(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError):
                await stranger.get(f"{told['tls_url']}/api/health")
    assert told["url"].startswith("http://127.0.0.1:") and told["tls_url"].startswith("https://127.0.0.1:")


def test_a_key_of_another_certificate_is_refused_before_anything_starts(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    (tmp_path / "no.key").write_text("nothing")
    with pytest.raises(InputError, match="not a certificate and its key"):
        Tls(files[0], tmp_path / "no.key").require_sound()
    with pytest.raises(InputError, match="not a certificate and its key"):
        Tls(tmp_path / "missing.pem", files[1]).require_sound()
