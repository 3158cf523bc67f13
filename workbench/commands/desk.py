"""`workbench desk`: the supervisor and its API, until Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from workbench.domain.errors import InputError
from workbench.services.settings import DASHBOARD_PORT, DESK_PORT, LAB_PORT


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("desk")
    def desk(
        port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)] = DESK_PORT,
        home: Annotated[str | None, typer.Option(help="Folder of state and data (WORKBENCH_HOME).")] = None,
        profile: Annotated[str | None, typer.Option(help="sim or topstepx (WORKBENCH_PROFILE).")] = None,
        simulator_url: Annotated[str | None, typer.Option(help="Where the simulator is.")] = None,
        origin: Annotated[list[str] | None, typer.Option(help="A web origin that may call; repeatable.")] = None,
        certificate: Annotated[Path | None, typer.Option(help="PEM file; serves the API with TLS as well.")] = None,
        key: Annotated[Path | None, typer.Option(help="PEM file of its key, without a pass phrase.")] = None,
        tls_port: Annotated[int, typer.Option(help="Port of the TLS door; 0 picks a free one.", min=0, max=65535)] = 0,
    ) -> None:
        """Start the desk: one login, runners, ingest, the API and the red button."""
        from workbench.api.app import build_app
        from workbench.commands import missing
        from workbench.services.desk_main import Tls, run_desk
        from workbench.services.settings import load_profile
        from workbench.storage.home import home as home_of

        origins = origin or [
            f"http://{host}:{number}" for host in ("127.0.0.1", "localhost") for number in (DASHBOARD_PORT, LAB_PORT)
        ]
        if (certificate is None) != (key is None):
            raise InputError("--certificate and --key belong together; give both or none")
        tls = None if certificate is None or key is None else Tls(certificate, key, tls_port)
        chosen = load_profile(profile, simulator_url=simulator_url)
        place, said = home_of(home), "Ctrl-C ends it; positions and stops at the broker stay"

        def ready(url: str) -> None:
            typer.echo(f"desk on {url}, gateway {chosen.rest_url} ({said})")
            missing.tell_later(lambda: missing.for_desk(place, chosen))

        asyncio.run(run_desk(place, chosen, build_app, port=port, origins=origins, tls=tls, ready=ready))
