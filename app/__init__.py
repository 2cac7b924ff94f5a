"""The faces: HTTP, web chat, command line. Composes the rooms; nothing imports it."""
