"""What is sent to PostgreSQL, read by its own parser: nothing that distributed ones lack.

The documents of CockroachDB and YugabyteDB name what they do not have: advisory locks, NOTIFY,
LOCK TABLE, triggers, inherited tables, exclusion and deferrable constraints, other types of index.
So this is a list of what there may be, each of which both have; anything new has to be looked up
there first. Neither was run: docs/growing.md says what that leaves open.
"""

from __future__ import annotations

import pytest

from carnet.server.store import postgres, statements
from carnet.server.store.migrations import read_migrations

pglast = pytest.importorskip(
    "pglast", reason="THE STATEMENTS ARE NOT READ: install the dependency group 'dev'"
)

READS_AND_WRITES = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"}
CHANGES_OF_SHAPE = {"CreateStmt", "IndexStmt", "AlterTableStmt", "DropStmt", "RenameStmt"}
CONTROL = {"TransactionStmt", "VariableSetStmt"}
VARIABLES = {"idle_in_transaction_session_timeout"}
COLUMN_TYPES = {"text", "int8", "bytea"}
# The last one is how the parser writes LIKE with ESCAPE.
FUNCTIONS = {"count", "max", "min", "length", "substr", "like_escape", "to_regclass"}
CONSTRAINTS = {
    *("CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_NOTNULL"),
    *("CONSTR_DEFAULT", "CONSTR_FOREIGN"),
}
ALTERATIONS = {"AT_AddColumn", "AT_DropColumn", "AT_DropConstraint", "AT_AddConstraint"}

SENT = {
    name: text
    for module in (statements, postgres)
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str)
}
MIGRATIONS = {f"{one.number:04}": ";\n".join(one.statements) for one in read_migrations()}


def nodes(tree):
    """Give a parsed statement and everything in it, as (kind, members)."""
    if isinstance(tree, dict):
        if "@" in tree:
            yield tree["@"], tree
        for member in tree.values():
            yield from nodes(member)
    elif isinstance(tree, list | tuple):
        for member in tree:
            yield from nodes(member)


def parsed(sql):
    """Give each statement's kind, and the nodes of all of them."""
    trees = [raw.stmt(skip_none=True) for raw in pglast.parse_sql(sql)]
    return {tree["@"] for tree in trees}, [node for tree in trees for node in nodes(tree)]


def last_name(names):
    return names[-1]["sval"]


def used(found):
    """Give the functions, the types, the constraints and the kinds of node of statements."""
    by_kind = {}
    for kind, members in found:
        by_kind.setdefault(kind, []).append(members)
    return by_kind


@pytest.mark.parametrize("name", SENT)
def test_a_statement_has_nothing_that_a_distributed_database_lacks(name):
    kinds, found = parsed(SENT[name])
    by_kind = used(found)
    more = set() if name in vars(statements) else CHANGES_OF_SHAPE | CONTROL
    assert kinds <= READS_AND_WRITES | more
    assert {one["name"] for one in by_kind.get("VariableSetStmt", ())} <= VARIABLES
    assert {last_name(call["funcname"]) for call in by_kind.get("FuncCall", ())} <= FUNCTIONS
    assert {last_name(one["names"]) for one in by_kind.get("TypeName", ())} <= COLUMN_TYPES
    # Rows are locked by changing them: FOR UPDATE and its like differ from one to the other.
    assert not by_kind.keys() & {"LockingClause", "WithClause", "WindowDef", "RangeFunction"}


@pytest.mark.parametrize("name", MIGRATIONS)
def test_a_migration_has_nothing_that_a_distributed_database_lacks(name):
    kinds, found = parsed(MIGRATIONS[name])
    by_kind = used(found)
    assert kinds <= READS_AND_WRITES | CHANGES_OF_SHAPE
    assert {last_name(call["funcname"]) for call in by_kind.get("FuncCall", ())} <= FUNCTIONS
    assert {last_name(one["names"]) for one in by_kind.get("TypeName", ())} <= COLUMN_TYPES
    assert {one["contype"]["name"] for one in by_kind.get("Constraint", ())} <= CONSTRAINTS
    assert {one["subtype"]["name"] for one in by_kind.get("AlterTableCmd", ())} <= ALTERATIONS
    assert {one.get("accessMethod", "btree") for one in by_kind.get("IndexStmt", ())} <= {"btree"}
    for table in by_kind.get("CreateStmt", ()):
        # CockroachDB would add a hidden one, and YugabyteDB spread the rows by none.
        assert any(
            kind == "Constraint" and members["contype"]["name"] == "CONSTR_PRIMARY"
            for kind, members in nodes(table)
        )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_xact_lock(1)",
        "NOTIFY revoked",
        "LOCK TABLE session IN EXCLUSIVE MODE",
        "SELECT id FROM session FOR UPDATE SKIP LOCKED",
        "CREATE TABLE one (id SERIAL PRIMARY KEY)",
    ],
)
def test_what_they_lack_would_be_noticed(monkeypatch, sql):
    monkeypatch.setitem(SENT, "COUNTERS", sql)
    with pytest.raises(AssertionError):
        test_a_statement_has_nothing_that_a_distributed_database_lacks("COUNTERS")
