"""What the programs share, without starting one."""

from pathlib import Path

import jax
import pytest
from absl import flags

from pnr_jax import cli


@pytest.mark.parametrize(
    ("argument", "expanded"),
    [
        ("--workdir=~/runs/a", "--workdir={home}/runs/a"),
        ("--workdir=~", "--workdir={home}"),
        ("--set=data_dir=~/data", "--set=data_dir={home}/data"),
        ("--lpips_alex=~/a.pth,~/b.pth", "--lpips_alex={home}/a.pth,{home}/b.pth"),
        ("--compare=runs/a,~", "--compare=runs/a,{home}"),
        ("--workdir=runs/~/a", "--workdir=runs/~/a"),
        ("~/a", "~/a"),
        ("--workdir=~nobody-of-that-name/a", "--workdir=~nobody-of-that-name/a"),
    ],
)
def test_home_is_found_in_any_flag(argument, expanded, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli._home_expanded(argument) == expanded.format(home=tmp_path)


@pytest.fixture
def no_cache():
    """JAX without a folder for compiled programs."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_compiled_programs_lie_where_caches_do(no_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cli._keep_compiled_programs()
    assert Path(jax.config.values["jax_compilation_cache_dir"]).parent == tmp_path / "pnr_jax"


def test_without_a_home_compiled_programs_are_not_kept(no_cache, monkeypatch, capsys):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    cli._keep_compiled_programs()
    assert jax.config.values["jax_compilation_cache_dir"] is None
    assert capsys.readouterr().out.count("\n") == 1


def test_arguments_in_a_message_become_flags_where_the_program_has_them(monkeypatch):
    values = flags.FlagValues()
    for name in ("data_dir", "config", "pairs"):
        flags.DEFINE_string(name, None, "", flag_values=values)
    monkeypatch.setattr(cli.flags, "FLAGS", values)
    message = "`data_dir=/a b`: none; `config.steps=3` too; `pairs` with the column `image`"
    expected = "--data_dir=/a b: none; --config.steps=3 too; --pairs with the column `image`"
    assert cli._with_flags(message) == expected


def test_a_hint_comes_only_where_malloc_has_its_defaults(monkeypatch, capsys):
    monkeypatch.setattr(cli.sys, "platform", "linux")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    cli.hint_at_malloc()
    assert capsys.readouterr().out.startswith(f"hint: GLIBC_TUNABLES={cli.MALLOC} ")
    monkeypatch.setenv("GLIBC_TUNABLES", "")
    cli.hint_at_malloc()
    assert not capsys.readouterr().out
