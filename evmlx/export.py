"""Emotion vectors in the formats of other tools: GGUF control vectors and safetensors.

llama.cpp and repeng both add ``direction.<k>`` to the output of block k, counted from 0, which is
where evmlx measures layer k; so a direction goes under its own layer's number. Block 0 cannot be
steered by either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.loading import LoadedRun, position
from evmlx.store import replacing

FORMATS = ("gguf", "safetensors")


def export(
    run: LoadedRun,
    folder: Path,
    *,
    format: str = "gguf",
    emotions: Sequence[str] = (),
    layers: Sequence[int] = (),
    unit: bool = False,
) -> list[Path]:
    """Write denoised emotion vectors for other tools.

    Parameters
    ----------
    run : LoadedRun
        Whose vectors.
    folder : Path
        Where to write: one GGUF file an emotion, or one safetensors file.
    format : str
        ``gguf`` or ``safetensors``.
    emotions : sequence of str
        Which; all where empty.
    layers : sequence of int
        Which; all sampled ones where empty.
    unit : bool
        Scale each vector to length 1. Otherwise it is as measured: added once, it moves the mean
        over all stories to the mean over the emotion's stories, less the neutral components.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    EvmlxError
        If the run has no such emotion or layer, or a format cannot hold the layer.
    """
    if format not in FORMATS:
        raise EvmlxError(f"format {format!r}: choose {' or '.join(FORMATS)}")
    known = run.vectors.emotions
    wanted = [known[position(e, known, f"{run.folder}: emotion")] for e in emotions] or list(known)
    sampled = list(layers) or list(run.layers)
    directions = {
        emotion: {layer: _scaled(run.vector(emotion, layer), unit) for layer in sampled}
        for emotion in wanted
    }
    if format == "safetensors":
        path = folder / f"{run.folder.name}.safetensors"
        write_safetensors(path, directions, run)
        return [path]
    paths = []
    for emotion in wanted:
        path = folder / f"{run.folder.name}.{emotion}.gguf"
        write_control_vector(path, directions[emotion], run)
        paths.append(path)
    return paths


def _scaled(vector: np.ndarray, unit: bool) -> np.ndarray:
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return (vector / length).astype(np.float32) if unit and length > 0 else vector


def write_control_vector(path: Path, directions: Mapping[int, np.ndarray], run: LoadedRun) -> None:
    """Write one emotion's vectors as a GGUF control vector.

    Parameters
    ----------
    path : Path
        File to write.
    directions : mapping of int to ndarray of float32, shape (hidden,)
        Vector to add to the output of each block.
    run : LoadedRun
        For the model's family.

    Raises
    ------
    EvmlxError
        If block 0 is among the layers and no other: neither tool can steer it.
    """
    from gguf import GGUFWriter

    usable = {layer: vector for layer, vector in directions.items() if layer > 0}
    if not usable:
        raise EvmlxError(
            f"{path.name}: control vectors cannot be added after block 0; give other --layers, "
            "or use --format safetensors"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    writer = GGUFWriter(temporary, "controlvector")
    writer.add_string("controlvector.model_hint", _family(run))
    writer.add_uint32("controlvector.layer_count", int(run.record["model"]["layers"]))
    for layer, vector in sorted(usable.items()):
        writer.add_tensor(f"direction.{layer}", np.ascontiguousarray(vector, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    temporary.replace(path)


def _family(run: LoadedRun) -> str:
    """Family as llama.cpp and repeng name it: LlamaForCausalLM -> llama."""
    architecture = str(run.record["model"]["architecture"])
    return architecture.removesuffix("ForCausalLM").removesuffix("LMHeadModel").lower()


def write_safetensors(
    path: Path, directions: Mapping[str, Mapping[int, np.ndarray]], run: LoadedRun
) -> None:
    """Write vectors of all emotions under ``layer_<l>__<emotion>``, with where they come from.

    Parameters
    ----------
    path : Path
        File to write.
    directions : mapping of str to mapping of int to ndarray of float32, shape (hidden,)
        By emotion and layer.
    run : LoadedRun
        For the metadata.
    """
    from safetensors.numpy import save

    arrays = {
        f"layer_{layer}__{emotion}": np.ascontiguousarray(vector, dtype=np.float32)
        for emotion, found in directions.items()
        for layer, vector in found.items()
    }
    model: Mapping[str, Any] = run.record["model"]
    metadata = {
        "model": str(model["name"]),
        "revision": str(model["revision"]),
        "corpus_digest": str(run.record["corpus"]["digest"]),
        "layers": json.dumps(sorted({layer for found in directions.values() for layer in found})),
        "added_to": "output of the block of that number, counted from 0",
    }
    with replacing(path) as file:
        file.write(save(arrays, metadata))
