"""GGUF's affine block types against gguf-py's dequantisation and ggml's own types."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize as reference
from gguf_files import random_blocks

from evmlx.backends.mlx_quantize import pack
from evmlx.backends.mlx_weights import FAMILIES, dequantize
from evmlx.gguf.blocks import BITS, HALF_SCALES, affine_groups
from evmlx.gguf.families import FAMILIES as GGUF_FAMILIES


@pytest.mark.parametrize("kind", BITS)
def test_every_weight_is_the_one_that_gguf_py_computes(kind: str) -> None:
    rng = np.random.default_rng(1)
    stored, type_ = random_blocks(kind, (37, 1024), rng)
    groups = affine_groups(stored, kind)
    assert groups.integers.max() < 1 << BITS[kind]
    packed = pack(groups.integers, BITS[kind])
    found = dequantize(packed, groups.scales, groups.biases, BITS[kind])
    np.testing.assert_array_equal(found, reference(stored, type_))
    assert 0.01 < np.abs(found).mean() < 0.2


@pytest.mark.parametrize("kind", BITS)
def test_any_bytes_are_read_as_gguf_py_reads_them(kind: str) -> None:
    """Also where scales are subnormal, huge or negative; where they are not finite, neither is."""
    rng = np.random.default_rng(2)
    stored, type_ = random_blocks(kind, (40, 1024), rng)
    stored = rng.integers(0, 256, stored.shape, dtype=np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        groups = affine_groups(stored, kind)
        expected = reference(stored, type_)
        integers = groups.integers.reshape(*groups.scales.shape, 32).astype(np.float32)
        found = integers * groups.scales[..., None] + groups.biases[..., None]
    finite = np.isfinite(groups.scales) & np.isfinite(groups.biases)
    expected = expected.reshape(found.shape)
    np.testing.assert_array_equal(found[finite], expected[finite])
    assert finite.any() and not np.isfinite(expected[~finite]).all()


@pytest.mark.parametrize("kind", HALF_SCALES)
def test_scales_of_the_plain_types_are_half_precision_numbers(kind: str) -> None:
    stored, _ = random_blocks(kind, (8, 256), np.random.default_rng(3))
    groups = affine_groups(stored, kind)
    for values in (groups.scales, groups.biases):
        np.testing.assert_array_equal(values.astype(np.float16).astype(np.float32), values)


def test_every_family_of_gguf_files_has_mlx_names() -> None:
    assert {family.model_type for family in GGUF_FAMILIES.values()} <= set(FAMILIES)


def test_types_are_those_of_ggml() -> None:
    assert all(hasattr(GGMLQuantizationType, kind) for kind in BITS)
