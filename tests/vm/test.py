#!/usr/bin/env python3
"""`make test-vm`: builds the workspace's tests here and runs those with `dmabuf` in their name in one
guest, where a test that does not find what it needs has failed.

    tests/vm/test.py [FILTER...]     only those that have one of these in their name as well

Exit status: 0 if all passed; 1 if one failed, or there was none; else as guest.py says.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the checkout stays as it is
import guest

ROOT = guest.HERE.parent.parent
# For all tests together. Without it a guest that hangs would hang the run.
LIMIT = 1800
# How much longer than elsewhere tests wait before they give up: the guest's processor is emulated.
PATIENCE = "4"
PASSED_ON = ("RUST_BACKTRACE", "SELKIE_LOG", "SELKIE_REQUIRE_HOSTS")


def binaries():
    """Builds the test programs; yields what each is called, its path and its package's directory."""
    cargo = os.environ.get("CARGO", "cargo")
    # Exactly the features and the profile of `make test`, so that nothing is built twice.
    command = [cargo, "test", "--locked", "--workspace", "--lib", "--bins", "--tests", "--no-run"]
    build = subprocess.run([*command, "--message-format=json"], stdout=subprocess.PIPE, check=False)
    if build.returncode != 0:
        # The compiler's words, which are in those messages, are said once more as text.
        subprocess.run(command, check=False)
        sys.exit(1)
    for line in build.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            package = os.path.dirname(message["manifest_path"])
            yield message["target"]["name"], message["executable"], package


def listed(program, package, *arguments):
    """The names of the tests in a test program."""
    command = [program, "--list", "--format", "terse", *arguments]
    lines = subprocess.run(command, stdout=subprocess.PIPE, cwd=package, check=True, text=True).stdout.splitlines()
    return [name for name, _, kind in (line.rpartition(": ") for line in lines) if kind == "test"]


def tests(filters):
    """The tests to run, as inside.py wants them."""
    for target, program, package in binaries():
        ignored = listed(program, package, "--ignored")
        for name in listed(program, package):
            title = f"{target}::{name}"
            wanted = not filters or any(word in title for word in filters)
            if name not in ignored and "dmabuf" in title and wanted:
                yield {"title": title, "program": program, "name": name, "package": package}


def main():
    guest.require()
    os.chdir(ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
    found = list(tests(sys.argv[1:]))
    if not found:
        print("vm: there is no such test.", file=sys.stderr)
        return 1

    share = target / "vm" / "share"
    shutil.rmtree(share, ignore_errors=True)
    pictures = share / "pictures"
    pictures.mkdir(parents=True)
    (share / "tests.json").write_text(json.dumps(found))
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"SELKIE_REQUIRE_DMABUF": "1", "SELKIE_PATIENCE": PATIENCE}
    environment["SELKIE_PICTURES"] = "/run/vm/pictures"
    print(f"vm: {len(found)} tests", flush=True)
    status = guest.run(["python3", str(guest.HERE / "inside.py")], share, LIMIT, environment, target / "vm")
    if any(pictures.iterdir()):
        print(f"vm: pictures are in {pictures}")
    return status


if __name__ == "__main__":
    sys.exit(main())
