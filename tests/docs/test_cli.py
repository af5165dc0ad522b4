"""The keys and tokens of docs/cli.md are made as the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import processes

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash: THE PAGE WAS NOT TRIED")
def test_the_keys_and_tokens_of_the_page(tmp_path):
    keys, tokens, _, _, encrypted, _, _, completion = SHELL
    # One line asks for a passphrase at the terminal.
    kept = [line for line in keys.splitlines() if " --encrypt " not in line]
    (tmp_path / "notes.txt").write_text("lunch at noon", "utf-8")
    completions = tmp_path / ".local" / "share" / "bash-completion" / "completions"
    completions.mkdir(parents=True)
    recipient = "carnet key generate ECDH-ES+A256KW -o recipient.jwk"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = processes.run(
        ["bash", "-euc", "\n".join([*kept, tokens, recipient, encrypted, completion])],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr
    assert "ACCEPTED" in run.stdout
    assert run.stdout.endswith("lunch at noon")
    assert (tmp_path / "signing.jwk").stat().st_mode & 0o777 == 0o600
    assert "carnet" in (completions / "carnet").read_text("utf-8")
