"""The service `billing`: Flask, called by a nightly job with a token of its own."""

import os

from flask import Flask, jsonify

from carnet.verifier.flask import Bearer, current_claims, require_scope

app = Flask(__name__)
app.config["CARNET"] = {"issuer": os.environ["ISSUER"], "audience": "billing"}
Bearer(app)


@app.get("/invoices")
@require_scope("invoices:read")
def list_invoices():
    """Answer a client that may read invoices."""
    return jsonify(invoices=[17, 18], to=current_claims.client_id)
