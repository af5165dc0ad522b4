"""The statements, the same for every engine.

Parameters stand in the order of their numbers: SQLite numbers them as they come.
"""

from carnet.server.store.statements.accounts import *
from carnet.server.store.statements.activity import *
from carnet.server.store.statements.agents import *
from carnet.server.store.statements.audit import *
from carnet.server.store.statements.clients import *
from carnet.server.store.statements.codes import *
from carnet.server.store.statements.deletion import *
from carnet.server.store.statements.email_addresses import *
from carnet.server.store.statements.factors import *
from carnet.server.store.statements.identities import *
from carnet.server.store.statements.keys import *
from carnet.server.store.statements.links import *
from carnet.server.store.statements.mail import *
from carnet.server.store.statements.merging import *
from carnet.server.store.statements.registrations import *
from carnet.server.store.statements.revocations import *
from carnet.server.store.statements.scim import *
from carnet.server.store.statements.sessions import *
from carnet.server.store.statements.unregistered_clients import *
from carnet.server.store.statements.upstream_tokens import *
