"""The routes for a server that has others: `langgraph.json` names this file in `http.app`."""

from moagraph.server.app import create_app

app = create_app(mounted=True)
