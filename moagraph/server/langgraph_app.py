"""The routes under /v1 for LangGraph's server: `langgraph.json` names this file in `http.app`."""

from moagraph.server.app import create_app

app = create_app(mounted=True)
