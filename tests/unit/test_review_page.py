"""The page's files: what is taken from others is unchanged, and nothing is taken from elsewhere."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from vimu.review.wire import packed

PAGE = Path(str(files("vimu.review") / "page"))
OWN = sorted(path for path in PAGE.iterdir() if path.is_file())


def test_libraries_are_as_their_packages_have_them():
    packages = YAML(typ="safe").load((PAGE / "vendor" / "vendor.yaml").read_text())
    listed = {entry["name"]: entry["sha256"] for package in packages for entry in package["files"]}
    there = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (PAGE / "vendor").iterdir()}
    there.pop("vendor.yaml")
    assert there == listed
    for package in packages:
        licence = package["licence"].split(", ")[1]
        assert "Permission is hereby granted, free of charge" in (PAGE / "vendor" / licence).read_text()
        assert package["integrity"].startswith("sha512-")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_asks_nobody_else_and_sets_no_html(path):
    text = path.read_text()
    assert not re.search(r"https?://|@import|url\(", text)
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "onclick="):
        assert sink not in text
    assert len(text.splitlines()) <= 250


def test_every_file_that_the_page_names_is_there():
    known = {p.name for p in OWN} | {p.name for p in (PAGE / "vendor").iterdir()}
    for path in OWN:
        named = re.findall(r'["/](?:\./|/page/)([\w.]+\.(?:js|css))', path.read_text())
        assert set(named) <= known, path
    assert {"three.core.min.js", "three.module.min.js"} <= known  # the one imports the other


def test_arrays_lie_on_four_bytes_and_come_back():
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([[1, 2, 3]]), "empty": np.zeros((0, 3))}
    body = packed({"text": "é" * 5}, arrays)
    length = int.from_bytes(body[:4], "little")
    assert length % 4 == 0
    assert body[4 : 4 + length].decode().startswith('{"text"')
    assert np.frombuffer(body, "<f4", 6, 4 + length).tolist() == [0, 1, 2, 3, 4, 5]
    assert np.frombuffer(body, "<u4", 3, 4 + length + 24).tolist() == [1, 2, 3]
    assert len(body) == 4 + length + 36
