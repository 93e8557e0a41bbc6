"""Extraction against the matmul rate of the same machine, and against one text at a time.

    python tests/bench/bench_extract.py [--texts 100] [--chunk-tokens 320,640,1280]

Counts multiply-adds of the blocks up to the last sampled layer on real tokens (linear maps and
causal attention); the rate it is divided by is torch's on (2000, 576) x (576, 1536) in the same
type, measured before and after. The one-at-a-time figure is the protocol of
emotion-vector-bench, written anew: one text a pass, the whole causal model, all hidden states.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoConfig

from evmlx.backends import torch_backend
from evmlx.backends.torch_backend import BATCH_TOKENS, TorchBackend
from evmlx.backends.torch_device import DTYPES, matmul_rate
from evmlx.backends.torch_mlx import load_dense
from evmlx.corpus import load_corpus, subset
from evmlx.models.checkpoints import load_tokenizer, resolve
from evmlx.stimuli import Stimulus, plan_batches, sampled_layers, token_batch, tokenize


def multiply_adds(backend: TorchBackend, stimuli: Sequence[Stimulus], last: int) -> float:
    blocks = list(backend.blocks)[: last + 1]
    linear = sum(p.numel() for block in blocks for p in block.parameters() if p.dim() > 1)
    width = backend.info.hidden_size
    lengths = [len(s.ids) for s in stimuli]
    # q.k and p.v of a position see itself and what is before it: n (n + 1) / 2 pairs each.
    attention = sum(n * (n + 1) for n in lengths) * width * len(blocks)
    return float(sum(lengths) * linear + attention)


def seconds(backend: TorchBackend, stimuli: Sequence[Stimulus], layers) -> float:
    batches = plan_batches([len(s.ids) for s in stimuli], BATCH_TOKENS["cpu"])
    start = time.perf_counter()
    for batch in batches:
        backend.pooled_residuals(token_batch([stimuli[i] for i in batch]), layers)
    return time.perf_counter() - start


def one_at_a_time(folder, dtype: str, stimuli: Sequence[Stimulus], layers) -> float:
    config = AutoConfig.from_pretrained(folder)
    model = load_dense(folder, config, {"dtype": DTYPES[dtype]}).eval()
    start = time.perf_counter()
    with torch.no_grad():
        for s in stimuli:
            ids = torch.from_numpy(s.ids.astype(np.int64))[None]
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
            for layer in layers:
                states[layer + 1][0, s.start :].float().mean(dim=0)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--chunk-tokens", default=str(torch_backend.CHUNK_TOKENS))
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--no-baseline", action="store_true")
    options = parser.parse_args()
    checkpoint = resolve()
    corpus = subset(load_corpus(), options.texts)
    stimuli = [s for s in tokenize(corpus, load_tokenizer(checkpoint)) if s.kind == "stories"]
    layers = sampled_layers(None, 30)
    tokens = sum(len(s.ids) for s in stimuli)
    print(f"{len(stimuli)} stories, {tokens} tokens, {torch.get_num_threads()} threads")
    for dtype in options.dtypes.split(","):
        backend = TorchBackend(checkpoint.folder, "cpu", dtype)
        work = multiply_adds(backend, stimuli, layers[-1])
        seconds(backend, stimuli[:20], layers)
        for chunk in map(int, options.chunk_tokens.split(",")):
            torch_backend.CHUNK_TOKENS = chunk
            rates, times = [matmul_rate("cpu", dtype, 2.0)], []
            for _ in range(3):  # turn about: this machine's own rate wanders
                times.append(seconds(backend, stimuli, layers))
                rates.append(matmul_rate("cpu", dtype, 2.0))
            took, rate = float(np.median(times)), float(np.median(rates))
            print(
                f"{dtype:9} chunk {chunk:5}: {len(stimuli) / took:5.2f} stories/s, "
                f"{tokens / took:6.0f} tokens/s, {2 * work / took / 1e9:6.1f} GFLOP/s of "
                f"{2 * rate / 1e9:6.1f} = {work / took / rate:.2f}",
                flush=True,
            )
        del backend
    if not options.no_baseline:
        few = stimuli[:20]
        for dtype in ("float16", "float32"):
            took = one_at_a_time(checkpoint.folder, dtype, few, layers)
            print(f"one text at a time, {dtype}: {len(few) / took:.2f} stories/s", flush=True)


if __name__ == "__main__":
    main()
