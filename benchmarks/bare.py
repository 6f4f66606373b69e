"""The least that an endpoint can do: read JSON, write JSON. What the server and Flask cost by themselves."""

from flask import Flask, Response, request

app = Flask("bare")


@app.post("/results")
def results() -> Response:
    """Give back what came."""
    return Response(app.json.dumps(request.get_json()), mimetype="application/json")
