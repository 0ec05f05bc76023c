"""Exported programs: one for any batch and any M, and nothing in it that one platform alone has."""

import re

import jax
import numpy as np
import pytest

from pnr_jax.errors import UserError
from pnr_jax.export import export_programs


def test_one_program_does_what_the_model_does_for_any_batch_and_m(run, make_batch):
    _, config, variables = run
    model = config.build_system().network
    programs = export_programs(config.build_system(), variables)
    assert set(programs) == {"encode", "render", "transfer"}
    transfer = jax.jit(programs["transfer"].call)
    for B, M in ((1, 1), (3, 2)):
        batch = make_batch(B=B, M=M, size=(64, 32), seed=B)
        sources = batch["source_images"], batch["source_keypoints"], batch["source_valid"]
        sources[2][-1, 1:] = False
        drawn = np.asarray(transfer(variables, *sources, batch["target_keypoints"]))
        assert (drawn.dtype, drawn.shape) == (np.uint8, (B, 64, 32, 3))
        floats = jax.jit(model.apply)(variables, *sources, batch["target_keypoints"])
        grey = np.clip((np.asarray(floats, np.float64) + 1) * 127.5, 0, 255)
        assert grey.std() > 5
        # The nearest grey level of a value that is right to 1e-5 of the range [-1, 1].
        assert np.abs(drawn - grey).max() < 0.5 + 1e-5 * 127.5


def test_programs_are_for_all_platforms_and_name_no_kernel_nor_file_of_ours(run):
    _, config, variables = run
    for program in export_programs(config.build_system(), variables).values():
        assert program.platforms == ("cpu", "cuda", "tpu")
        called = set(re.findall(r"custom_call @([\w$.]+)", program.mlir_module()))
        # Checks of shapes, and each platform's eigenvectors, which jax.export keeps stable.
        stable = {"shape_assertion", "lapack_ssyevd_ffi", "cusolver_syevd_ffi", "Eigh"}
        assert called <= stable
        assert not re.search(rb"\.py\b|pnr_jax", bytes(program.serialize()))


def test_elsewhere_than_on_a_cpu_it_is_refused(run, monkeypatch):
    _, config, variables = run
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with pytest.raises(UserError, match="JAX_PLATFORMS=cpu"):
        export_programs(config.build_system(), variables)
