"""A Celery worker that is in the middle of its first fetch when it forks its pool."""

import os
import threading
import time
from pathlib import Path

from celery import Celery
from tests.verifier.services import OPTIONS

from carnet import InvalidToken
from carnet.verifier import AccessTokenVerifier

FOLDER = Path(os.environ["FOLDER"])

app = Celery("orders", broker="filesystem://", backend=f"file://{FOLDER / 'results'}")
app.conf.update(
    broker_connection_retry_on_startup=False,
    broker_transport_options={
        "data_folder_in": str(FOLDER / "messages"),
        "data_folder_out": str(FOLDER / "messages"),
        "control_folder": str(FOLDER / "control"),
    },
    worker_prefetch_multiplier=1,
)
verifier = AccessTokenVerifier(**OPTIONS)


@app.task(name="subject")
def subject(token):
    """Give whose a token is, and in which process that was found out."""
    try:
        return [verifier.verify(token).subject, os.getpid()]
    except InvalidToken as error:
        return [error.code, os.getpid()]


def begin_to_fetch():
    """Have a thread wait for the keys."""
    threading.Thread(target=subject, args=(os.environ["TOKEN"],), daemon=True).start()
    while not verifier.health()[0].fetches:
        time.sleep(0.01)


if "TOKEN" in os.environ:
    begin_to_fetch()
