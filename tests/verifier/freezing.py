"""A program that is frozen and thawed; tests/verifier/test_freezing.py runs it.

Each line of its input is a token; it answers with the verdict. Where gevent is asked for, all of it
runs in greenlets.
"""

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()

from concurrent.futures import ThreadPoolExecutor

from carnet import InvalidToken, IssuerUnavailable
from carnet.verifier import AccessTokenVerifier

verifier = AccessTokenVerifier(sys.argv[2], "orders", revocations="required", revocations_max_age=2)


def verdict(token):
    try:
        return str(verifier.verify(token).subject)
    except InvalidToken as error:
        return error.code
    except IssuerUnavailable as error:
        return error.code


for line in sys.stdin:
    if sys.argv[1] == "gevent":
        with ThreadPoolExecutor(20) as pool:
            print(*set(pool.map(verdict, [line.strip()] * 20)), flush=True)
    else:
        print(verdict(line.strip()), flush=True)
