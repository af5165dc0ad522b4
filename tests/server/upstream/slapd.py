"""A real directory: OpenLDAP's slapd on loopback, with a few people in it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import processes
from tests.ports import free_ports
from tests.server.mail.certificates import self_signed

BASE = "dc=example,dc=com"
SERVICE, SERVICE_PASSWORD = f"cn=carnet,{BASE}", "the-password-of-the-service"
PASSWORD = "a password of the directory"
ADMINS = f"cn=Admins,ou=Groups,{BASE}"

PROGRAM = shutil.which("slapd") or ("/usr/sbin/slapd" if Path("/usr/sbin/slapd").exists() else None)
MODULES, SCHEMAS = "/usr/lib/ldap", "/etc/ldap/schema"

# Active Directory's attributes are told of by this service alone, and who has no password is let
# in: what a server of another make may do, it does.
CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP top AUXILIARY
  MAY ( sAMAccountName $ userAccountControl ) )
modulepath {modules}
moduleload back_mdb
moduleload memberof
allow bind_anon_cred bind_anon_dn
pidfile {folder}/pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
database mdb
suffix "{base}"
directory {folder}/data
rootdn "cn=root,{base}"
rootpw root
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
"""


def person(name, more="", password=PASSWORD, unit="People"):
    return f"""
dn: uid={name},ou={unit},{BASE}
objectClass: inetOrgPerson
objectClass: user
uid: {name}
cn: {name.capitalize()}
sn: {name.capitalize()}
mail: {name}@example.com
userPassword: {password}
{more}"""


PEOPLE = f"""
dn: {BASE}
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: ou=People,{BASE}
objectClass: organizationalUnit
ou: People

dn: ou=Guests,{BASE}
objectClass: organizationalUnit
ou: Guests

dn: ou=Groups,{BASE}
objectClass: organizationalUnit
ou: Groups

dn: {SERVICE}
objectClass: person
cn: carnet
sn: carnet
userPassword: {SERVICE_PASSWORD}
{person("ada", f"displayName: Ada Lovelace{chr(10)}memberOf: {ADMINS}{chr(10)}title: Countess")}
{person("grace")}
{person("off", "userAccountControl: 514")}
{person("on", "userAccountControl: 512")}
{person("twin")}
{person("twin", unit="Guests")}
dn: {ADMINS}
objectClass: groupOfNames
cn: Admins
member: uid=ada,ou=People,{BASE}

dn: cn=Press,ou=Groups,{BASE}
objectClass: groupOfNames
cn: Press
member: uid=grace,ou=People,{BASE}
"""


class Slapd:
    """A running slapd.

    Attributes:
        plain: its address without TLS, which StartTLS may be used on.
        tls: the one with TLS.
        ca_file: who has signed its certificate.
        password_file: what the service signs in with.
    """

    def __init__(self, folder):
        port = free_ports(2)
        self._folder = folder
        self._port = port
        self.plain, self.tls = f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{port + 1}"
        self.other_name = f"ldaps://localhost:{port + 1}"
        certificate, _ = self_signed(folder)
        self.ca_file = str(certificate)
        self.password_file = str(folder / "password")
        Path(self.password_file).write_text(f"{SERVICE_PASSWORD}\n")
        Path(self.password_file).chmod(0o600)
        (folder / "data").mkdir()
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text(
            CONFIGURATION.format(
                schemas=SCHEMAS,
                modules=MODULES,
                folder=folder,
                certificate=certificate,
                base=BASE,
                service=SERVICE,
            )
        )
        add = [PROGRAM, "-Ta", "-f", str(self._configuration)]
        processes.run(add, input=PEOPLE.encode(), capture_output=True, check=True)
        self.process = None
        self.start()

    def start(self):
        """Start it, and wait until it answers."""
        self.process = processes.start(
            [
                *(PROGRAM, "-f", str(self._configuration), "-d", "0"),
                *("-h", f"{self.plain} {self.tls}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            assert self.process.poll() is None, "slapd has ended"
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port + 1), 1):
                return

    def stop(self):
        """Stop it."""
        self.process.terminate()
        self.process.wait(processes.PATIENCE)

    def settings(self, **more):
        """Give settings of a directory that this is."""
        return {
            "urls": (self.tls,),
            "base": BASE,
            "bind_dn": SERVICE,
            "bind_password_file": self.password_file,
            "ca_file": self.ca_file,
            **more,
        }


@contextmanager
def slapd(folder):
    """Run one until the end of the block."""
    server = Slapd(folder)
    try:
        yield server
    finally:
        server.stop()
