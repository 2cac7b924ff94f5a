"""`cimiento mcp`: the tools for language models on standard input and output."""

import anyio
import typer

from app.cli.context import FAILED, load_cli_settings


def mcp() -> None:
    """Serve MCP on standard input and output, for a host that starts this command.

    Asks a running service, with the key in CIMIENTO_MCP__KEY.
    """
    settings = load_cli_settings(logs=True)
    if settings.mcp.key is None:
        typer.echo(
            "error: CIMIENTO_MCP__KEY is not set; 'cimiento keys create NAME' makes a key", err=True
        )
        raise typer.Exit(FAILED)
    # Late: see app.cli.context.
    from mcp.server.stdio import stdio_server

    from app.mcp_server import build_mcp_server, rest_over_network

    base_url = (settings.mcp.url or settings.base_url).rstrip("/")
    server = build_mcp_server(rest_over_network(base_url, settings.mcp.key.get_secret_value()))

    async def run() -> None:
        async with stdio_server() as (messages, replies):
            await server.run(messages, replies, server.create_initialization_options())

    anyio.run(run)
