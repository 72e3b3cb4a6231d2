#!/usr/bin/env python3
"""Runs in the guest: the tests that test.py listed, each in a process of its own, two at a time.
Exit status: 0 if all passed, 1 if not."""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time

# For one test, in seconds. Longer than any test waits for anything.
LIMIT = 300


def run(test):
    """Runs one test; returns whether it passed, what it said, and how many seconds it took."""
    started = time.monotonic()
    command = [test["program"], "--exact", test["name"], "--nocapture"]
    environment = os.environ | {"CARGO_MANIFEST_DIR": test["package"]}
    process = subprocess.Popen(
        command, cwd=test["package"], env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        said = process.communicate(timeout=LIMIT)[0]
        # Not by the exit status alone: a test that is ignored, or not there at all, would have passed.
        passed = process.returncode == 0 and b"test result: ok. 1 passed" in said
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0] + f"\nkilled after {LIMIT} s\n".encode()
        passed = False
    return passed, said.decode(errors="replace"), time.monotonic() - started


def main():
    with open("/run/vm/tests.json", encoding="utf-8") as file:
        tests = json.load(file)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = {pool.submit(run, test): test["title"] for test in tests}
        for done in concurrent.futures.as_completed(running):
            title = running[done]
            passed, said, seconds = done.result()
            print(f"{'PASS' if passed else 'FAIL'} [{seconds:6.2f} s] {title}")
            if not passed:
                failed.append(title)
                print(said.rstrip() + "\n---")
            for line in said.splitlines() if passed else ():
                if "SKIPPED: " in line:
                    print(f"     {line}")
            sys.stdout.flush()
    for title in failed:
        print(f"FAILED: {title}")
    print(f"{len(tests)} tests in the guest: {len(tests) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
