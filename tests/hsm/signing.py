"""Make a key inside a PKCS #11 token, sign with it, and print what a verifier needs.

Run by the tests as a program: ``signing.py LIBRARY LABEL PIN ALG ISSUER AUDIENCE``, with
``SOFTHSM2_CONF`` naming the directory of the token.
"""

import json
import sys
from hashlib import sha256

import pkcs11
from pkcs11 import MGF, Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key

from carnet import InvalidKey, Key, Signer
from carnet.jose import jws

PSS = (Mechanism.SHA256, MGF.SHA256, 32)


def make_ec(session):
    parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    domain = session.create_domain_parameters(KeyType.EC, parameters, local=True)
    public, private = domain.generate_keypair(store=True)
    return encode_ec_public_key(public), private


def make_rsa(session):
    public, private = session.generate_keypair(KeyType.RSA, 2048, store=True)
    return encode_rsa_public_key(public), private


def es256(private):
    return lambda data: private.sign(sha256(data).digest(), mechanism=Mechanism.ECDSA)


def rs256(private):
    return lambda data: private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS)


def ps256(private):
    return lambda data: private.sign(
        data, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=PSS
    )


ALGORITHMS = {
    "ES256": (make_ec, es256),
    "RS256": (make_rsa, rs256),
    "PS256": (make_rsa, ps256),
}


def why_not_exported(key):
    try:
        key.to_jwk(private=True)
    except InvalidKey as error:
        return error.code
    return None


def main(library, label, pin, alg, issuer, audience):
    make, operation = ALGORITHMS[alg]
    token = pkcs11.lib(library).get_token(token_label=label)
    with token.open(rw=True, user_pin=pin) as session:
        der, private = make(session)
        key = Key.from_signer(Key.from_der(der, alg, kid="in-the-hsm"), operation(private))
        made = {
            "jwk": key.to_jwk(),
            "jwt": Signer(key, issuer=issuer, audience=audience).sign({"sub": "ada"}),
            "jws": jws.sign(b"any bytes", key),
            "not_exported": why_not_exported(key),
        }
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
