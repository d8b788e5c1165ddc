"""Configurations name their engine; only decode.py by hand may choose one, and says which."""

import pytest

import decode
from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError

BASE = {"prompt": "demo", "max_new_tokens": 160, "dtype": "float32"}


@pytest.mark.parametrize(
    ("device", "installed", "engine"),
    [("cuda", True, "vllm"), ("cuda", False, "transformers"), ("cpu", True, "transformers")],
)
def test_auto_is_vllm_where_it_is_installed_and_there_is_a_gpu(monkeypatch, capsys, device, installed, engine):
    monkeypatch.setattr(decode, "find_spec", lambda name: installed or None)
    for configured in ("transformers", "vllm"):
        settings = DecodingEntry(**BASE, device=device, engine=configured)
        chosen = decode.choose_engine(settings, decode.EngineChoice.AUTO)
        assert chosen.engine == engine
        assert f"engine: {engine}" in capsys.readouterr().out


def test_engine_asked_for_keeps_the_settings_own_options_if_it_is_theirs():
    settings = DecodingEntry(**BASE, device="cpu", engine="transformers", batch_size=7)
    assert decode.choose_engine(settings, decode.EngineChoice.TRANSFORMERS).batch_size == 7
    assert decode.choose_engine(settings, decode.EngineChoice.VLLM).vllm is not None


def test_engine_that_is_not_installed_is_an_error_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(
        decode, "packages_distributions", lambda: {"torch": ["torch"], "transformers": ["transformers"]}
    )
    assert decode.engine_identity(DecodingEntry(**BASE, device="cpu", engine="transformers"))["torch"]
    with pytest.raises(UserError, match="engine 'vllm': the package vllm is not installed here; 'make setup-cuda'"):
        decode.engine_identity(DecodingEntry(**BASE, device="cpu", engine="vllm"))
