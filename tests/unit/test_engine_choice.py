"""Configurations name their engine; only decode.py by hand may choose one, and says which."""

import pytest

from l2s.decoding.engines import choice
from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError

BASE = {"prompt": "demo", "max_new_tokens": 160, "dtype": "float32"}


@pytest.mark.parametrize(
    ("device", "installed", "engine"),
    [("cuda", True, "vllm"), ("cuda", False, "transformers"), ("cpu", True, "transformers")],
)
def test_auto_is_vllm_where_it_is_installed_and_there_is_a_gpu(monkeypatch, capsys, device, installed, engine):
    monkeypatch.setattr(choice, "find_spec", lambda name: installed or None)
    for configured in ("transformers", "vllm"):
        settings = DecodingEntry(**BASE, device=device, engine=configured)
        chosen = choice.choose_engine(settings, choice.EngineChoice.AUTO)
        assert chosen.engine == engine
        assert f"engine: {engine}" in capsys.readouterr().out


def test_engine_asked_for_keeps_the_settings_own_options_if_it_is_theirs():
    settings = DecodingEntry(**BASE, device="cpu", engine="transformers", batch_size=7)
    assert choice.choose_engine(settings, choice.EngineChoice.TRANSFORMERS).batch_size == 7
    assert choice.choose_engine(settings, choice.EngineChoice.VLLM).vllm is not None


def test_engine_that_is_not_installed_is_an_error_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(
        choice, "packages_distributions", lambda: {"torch": ["torch"], "transformers": ["transformers"]}
    )
    assert choice.engine_identity(DecodingEntry(**BASE, device="cpu", engine="transformers"))["torch"]
    with pytest.raises(UserError, match="engine 'vllm': the package vllm is not installed here; 'make setup-cuda'"):
        choice.engine_identity(DecodingEntry(**BASE, device="cpu", engine="vllm"))
