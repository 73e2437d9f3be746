"""A headless Chromium of the system. Without one its tests are skipped; in CI they fail, since nobody reads what was skipped there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

FOUND = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    if not FOUND:
        missing = "NOT TESTED: the pages in a browser need Chromium (Debian: apt-get install chromium)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as driver:
        # Without a sandbox: as root, and in most containers, Chromium does not start with one.
        browser = driver.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield browser
        browser.close()
