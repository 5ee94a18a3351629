"""The official `server-everything`, as npm has it: its command line, for the slow tests."""

import os
import shutil
import subprocess

import pytest

PACKAGE = "@modelcontextprotocol/server-everything"


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """The command that starts it on stdio; $CODESPAR_TEST_EVERYTHING names a script of it that is there already."""
    if known := os.environ.get("CODESPAR_TEST_EVERYTHING"):
        return ["node", known, "stdio"]
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    place = tmp_path_factory.mktemp("npm")
    subprocess.run(["npm", "install", "--silent", "--prefix", str(place), PACKAGE], check=True, timeout=600)
    return ["node", str(place / "node_modules" / PACKAGE / "dist" / "index.js"), "stdio"]
