"""Keeping freed memory: asked for where it can be, and harmless elsewhere."""

import ctypes
import sys

import pytest

from engram.training.memory import keep_freed_memory


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert keep_freed_memory() is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc")
def test_glibc_accepts_both_options():
    assert keep_freed_memory() is True
