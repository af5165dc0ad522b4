"""``carnet user import`` and ``export``: accounts, with the password hashes of whichever system."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from carnet.cli.account_files import FORMATS, Row, format_of, read_accounts
from carnet.cli.files import output_file
from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.server.accounts.exporting import export_accounts as all_accounts
from carnet.server.accounts.foreign_hashes import has_password
from carnet.server.accounts.import_shapes import ImportedAccount
from carnet.server.accounts.importing import AccountImport, Outcome, Result
from carnet.server.service import Service
from carnet.server.web.own_data import own_data

__all__ = ["export_accounts", "import_accounts"]

BATCH: Final = 200
SHOWN_ON_TERMINAL: Final = 20


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    type=click.Choice(list(FORMATS)),
    help="The format of the file; by default told by its name.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be done.")
@json_option
@data_options
def import_accounts(
    file: BinaryIO,
    format: str | None,
    dry_run: bool,
    as_json: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Import accounts with their password hashes: from CSV, JSON lines, Keycloak or Auth0.

    People sign in with the passwords that they have; the first good sign-in makes a hash of
    today's. Accounts that are there already are left as they are, so what was interrupted is run
    again. Each row that is refused is reported with its line and the reason, never its hash:
    with --json as one object a line, the sums last. The exit status is 1 where one was.

    \b
    Examples:
      carnet user import users.csv --dry-run
      carnet user import realm-users-0.json
      pg_dump_users | carnet user import - --format csv
    """
    kind = format_of(getattr(file, "name", "-"), format)
    report = _Report(file, as_json=as_json, place="account" if kind == "json" else "line")

    async def work(service: Service) -> None:
        accounts = AccountImport(service.store, service.clock(), dry=dry_run)
        rows = read_accounts(file, kind)
        while batch := list(islice(rows, BATCH)):
            readable = [row for row in batch if isinstance(row.account, ImportedAccount)]
            results = iter(await accounts.add([_account(row) for row in readable]))
            report.add(batch, results)

    try:
        with_service(settings_from(config, **given), work, reading=dry_run)
    except BaseException:
        # What was imported until then is there, whatever has stopped it.
        if report.counts:
            report.end(dry_run=dry_run)
        raise
    report.end(dry_run=dry_run)
    if report.counts[Outcome.REFUSED]:
        raise click.exceptions.Exit(1)


@click.command("export")
@click.argument("username", required=False)
@click.option(
    "--all",
    "everybody",
    is_flag=True,
    help="Export all accounts, in the form that `user import` reads.",
)
@click.option(
    "--with-password-hashes",
    "with_hashes",
    is_flag=True,
    help="With --all: also export the password hashes.",
)
@click.option(
    "-o", "--output", default="-", metavar="FILE", help="The new file; only you can read it."
)
@data_options
def export_accounts(
    username: str | None,
    everybody: bool,
    with_hashes: bool,
    output: str,
    config: Path | None,
    **given: Any,
) -> None:
    """Write what is known of an account as JSON, or all accounts as JSON lines.

    Of one account, that is what its owner can download. Whoever has the hashes can guess the
    passwords at leisure: keep such a file as you keep the database.

    \b
    Examples:
      carnet user export alice
      carnet user export --all -o users.jsonl
    """
    if (username is None) != everybody or (with_hashes and not everybody):
        raise click.UsageError(
            "name an account, or give --all; --with-password-hashes goes with --all"
        )

    async def work(service: Service) -> None:
        with output_file(output, secret=True) as file:
            if username is not None:
                account = await service.accounts.find(username)
                file.write(msgspec.json.encode(await own_data(service, account)) + b"\n")
                return
            async for one in all_accounts(service.store, with_hashes=with_hashes):
                file.write(msgspec.json.encode(one) + b"\n")

    with_service(settings_from(config, **given), work, reading=True)


def _account(row: Row) -> ImportedAccount:
    if not isinstance(row.account, ImportedAccount):
        raise row.account
    return row.account


class _Report:
    """What is reported of an import, while it goes on and at its end.

    Args:
        file: what is read.
        as_json: whether programs read it.
        place: what the number of a row is of: ``line`` or ``account``.
    """

    def __init__(self, file: BinaryIO, *, as_json: bool, place: str) -> None:
        self._file = file
        self._as_json = as_json
        self._place = place
        self._on_terminal = sys.stderr.isatty()
        self._size = Path(file.name).stat().st_size if Path(file.name).is_file() else 0
        self._without_password = 0
        self._done = 0
        self.counts: Counter[Outcome] = Counter()

    def add(self, batch: list[Row], results: Iterator[Result]) -> None:
        """Tell what became of some rows: those that could be read have a result each."""
        for place, account in batch:
            if isinstance(account, ImportedAccount):
                result, name = next(results), account.username
                is_imported = result.outcome is Outcome.IMPORTED
                self._without_password += is_imported and not has_password(account.password_hash)
            else:
                result, name = Result(Outcome.REFUSED, str(account)), ""
            self.counts[result.outcome] += 1
            if result.outcome is Outcome.REFUSED:
                self._refused(place, name, result.reason)
        self._done += len(batch)
        self._show_progress()

    def end(self, *, dry_run: bool) -> None:
        """Tell the sums."""
        if self._on_terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
        sums = {one.value: self.counts[one] for one in Outcome}
        if self._as_json:
            echo_json({**sums, "without_password": self._without_password, "dry_run": dry_run})
            return
        more = self.counts[Outcome.REFUSED] - SHOWN_ON_TERMINAL
        if self._on_terminal and more > 0:
            click.echo(f"… and {more:,} more: --json, or 2> FILE, tells them all", err=True)
        verb = "would be imported" if dry_run else "imported"
        click.echo(
            f"{sums['imported']:,} {verb}, {sums['already_there']:,} there already, "
            f"{sums['refused']:,} refused"
        )
        if self._without_password:
            click.echo(
                f"{self._without_password:,} of them have no password: nobody signs in with one "
                "until it is set"
            )

    def _refused(self, place: int, name: str, reason: str) -> None:
        if self._as_json:
            echo_json({self._place: place, "username": name[:128], "reason": reason})
            return
        if self._on_terminal:
            if self.counts[Outcome.REFUSED] > SHOWN_ON_TERMINAL:
                return
            click.echo("\r\x1b[K", nl=False, err=True)
        # What a file holds is written as it would be in Python: it moves no cursor.
        named = f" {name[:60]!r}" if name else ""
        click.echo(f"{self._place} {place}{named}: {reason}", err=True)

    def _show_progress(self) -> None:
        if not self._on_terminal:
            return
        share = f" ({100 * self._file.tell() // self._size} %)" if self._size else ""
        click.echo(f"\r\x1b[K{self._done:,} accounts{share}", nl=False, err=True)
