"""TRM written down plainly, operation by operation, to compare results and time with.

A translation of the published algorithm in the order of its reference code (arXiv 2510.04871):
every projection by itself, stable-max in double precision, loops over parameters in optimiser and
average, embeddings of a batch as a copy that gets the gradient. It is not used by the harness.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

IGNORED = -100


def rms_norm(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


def rotate_half(x):
    first, second = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-second, first), dim=-1)


class Attention(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(hidden, hidden, bias=False)
        self.k = nn.Linear(hidden, hidden, bias=False)
        self.v = nn.Linear(hidden, hidden, bias=False)
        self.o = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x, cos, sin):
        batch, length, hidden = x.shape
        split = (batch, length, self.heads, hidden // self.heads)
        q, k, v = self.q(x).view(split), self.k(x).view(split), self.v(x).view(split)
        cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)
        q = q * cos + rotate_half(q) * sin
        k = k * cos + rotate_half(k) * sin
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        found = F.scaled_dot_product_attention(q, k, v)
        return self.o(found.transpose(1, 2).reshape(batch, length, hidden))


class SwiGLU(nn.Module):
    def __init__(self, hidden, inner):
        super().__init__()
        self.gate = nn.Linear(hidden, inner, bias=False)
        self.up = nn.Linear(hidden, inner, bias=False)
        self.down = nn.Linear(inner, hidden, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, hidden, heads, inner):
        super().__init__()
        self.attention = Attention(hidden, heads)
        self.mlp = SwiGLU(hidden, inner)

    def forward(self, x, cos, sin):
        x = rms_norm(x + self.attention(x, cos, sin))
        return rms_norm(x + self.mlp(x))


class PlainTRM(nn.Module):
    """The network, with the puzzle embeddings as a table without gradient."""

    def __init__(self, given, canvas, rows):
        super().__init__()
        self.given, self.length = given, given.puzzle_positions + canvas.tokens
        self.symbols = nn.Embedding(canvas.vocabulary, given.hidden)
        self.blocks = nn.ModuleList(
            Block(given.hidden, given.heads, given.inner) for _ in range(given.layers)
        )
        self.head = nn.Linear(given.hidden, canvas.vocabulary, bias=False)
        self.halt = nn.Linear(given.hidden, 1)
        self.register_buffer("first_answer", torch.zeros(given.hidden))
        self.register_buffer("first_latent", torch.zeros(given.hidden))
        self.register_buffer("table", torch.zeros(rows, given.puzzle_width))

    def take(self, network):
        """The weights of the harness's network."""
        with torch.no_grad():
            self.symbols.weight.copy_(network.symbols.weight)
            self.head.weight.copy_(network.head.weight)
            self.halt.weight.copy_(network.halt.weight)
            self.halt.bias.copy_(network.halt.bias)
            self.first_answer.copy_(network.first_answer)
            self.first_latent.copy_(network.first_latent)
            for own, other in zip(self.blocks, network.stack.blocks, strict=True):
                query, key, value = other.attention.inward.weight.chunk(3)
                own.attention.q.weight.copy_(self.halves(query))
                own.attention.k.weight.copy_(self.halves(key))
                own.attention.v.weight.copy_(value)
                own.attention.o.weight.copy_(other.attention.outward.weight)
                own.mlp.gate.weight.copy_(other.mlp.gate.weight)
                own.mlp.up.weight.copy_(other.mlp.up.weight)
                own.mlp.down.weight.copy_(other.mlp.outward.weight)

    def halves(self, weight):
        """Rows in the order of rotary halves, of rows whose neighbours are turned together."""
        split = weight.view(self.given.heads, -1, 2, self.given.hidden)
        return split.transpose(1, 2).reshape(weight.shape)

    def level(self, x, injected):
        width = self.given.hidden // self.given.heads
        inverse = 1.0 / (10000.0 ** (torch.arange(0, width, 2).float() / width))
        angles = torch.outer(torch.arange(self.length).float(), inverse)
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos(), angles.sin()
        x = x + injected
        for block in self.blocks:
            x = block(x, cos, sin)
        return x

    def forward(self, answer, latent, tokens, puzzles):
        given = self.given
        room = given.puzzle_positions * given.hidden - puzzles.shape[-1]
        before = F.pad(puzzles, (0, room)).view(-1, given.puzzle_positions, given.hidden)
        x = math.sqrt(given.hidden) * torch.cat((before, self.symbols(tokens)), dim=-2)
        with torch.no_grad():
            for _ in range(given.h_cycles - 1):
                for _ in range(given.l_cycles):
                    latent = self.level(latent, answer + x)
                answer = self.level(answer, latent)
        for _ in range(given.l_cycles):
            latent = self.level(latent, answer + x)
        answer = self.level(answer, latent)
        logits = self.head(answer)[:, given.puzzle_positions :]
        return answer.detach(), latent.detach(), logits, self.halt(answer[:, 0])[:, 0]


def stablemax_cross_entropy(logits, labels):
    logits = logits.to(torch.float64)
    s = torch.where(logits < 0, 1 / (1 - logits + 1e-30), logits + 1)
    logs = torch.log(s / s.sum(-1, keepdim=True))
    valid = labels != IGNORED
    chosen = logs.gather(-1, torch.where(valid, labels, 0).unsqueeze(-1)).squeeze(-1)
    return -torch.where(valid, chosen, 0)


class PlainTrainer:
    """Deep supervision with the draws of the harness's trainer.

    Args:
        given: `Settings`.
        canvas: of the examples.
        rows: of the table.
        examples: `Examples`.
        seed: of the draws.
    """

    def __init__(self, given, canvas, rows, examples, seed):
        self.given, self.examples, self.seed, self.done = given, examples, seed, 0
        self.model = PlainTRM(given, canvas, rows)
        batch = given.batch_size
        self.answer, self.latent = (torch.empty(batch, self.model.length, given.hidden),) * 2
        self.tokens, self.labels = (torch.zeros(batch, canvas.tokens, dtype=torch.long),) * 2
        self.rows = torch.zeros(batch, dtype=torch.long)
        self.steps = torch.zeros(batch, dtype=torch.long)
        self.halted = torch.ones(batch, dtype=torch.bool)

    def take(self, network):
        self.model.take(network)
        weights = list(self.model.parameters())
        self.average = {name: p.data.clone() for name, p in self.model.named_parameters()}
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in weights]

    def update(self):
        given = self.given
        draw = np.random.default_rng((self.seed, self.done))
        drawn = self.examples.draw(int(self.halted.sum()), draw)
        self.fill(drawn)
        flag = self.halted.view(-1, 1, 1)
        self.answer = torch.where(flag, self.model.first_answer, self.answer)
        self.latent = torch.where(flag, self.model.first_latent, self.latent)
        self.steps = torch.where(self.halted, 0, self.steps)
        local = self.model.table[self.rows].clone().requires_grad_(True)
        found = self.model(self.answer, self.latent, self.tokens, local)
        self.answer, self.latent, logits, halt = found
        valid = self.labels != IGNORED
        count = valid.sum(-1)
        correct = valid & (logits.argmax(-1) == self.labels)
        right = correct.sum(-1) == count
        tokens = stablemax_cross_entropy(logits, self.labels) / count.clamp_min(1).unsqueeze(-1)
        target = right.to(halt.dtype)
        halting = F.binary_cross_entropy_with_logits(halt, target, reduction="sum")
        loss = (tokens.sum() + 0.5 * halting) / given.batch_size
        loss.backward()
        share = min(1.0, (self.done + 1) / given.warmup)
        self.adam_atan2(given.lr * share)
        self.sign_sgd(local.grad, given.puzzle_lr * share)
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                self.average[name] = (1 - given.ema) * p.data + given.ema * self.average[name]
        self.steps = self.steps + 1
        explores = draw.random(given.batch_size) < given.exploration
        least = explores * draw.integers(2, given.halt_max_steps + 1, size=given.batch_size)
        halted = (self.steps >= given.halt_max_steps) | (halt.detach() > 0)
        self.halted = halted & (self.steps >= torch.from_numpy(least))
        self.done += 1
        return loss.item()

    def fill(self, drawn):
        tokens, labels, rows = self.tokens.clone(), self.labels.clone(), self.rows.clone()
        tokens[self.halted] = torch.from_numpy(drawn.tokens.astype(np.int64))
        fresh = torch.from_numpy(drawn.labels.astype(np.int64))
        labels[self.halted] = torch.where(fresh == 0, IGNORED, fresh)
        rows[self.halted] = torch.from_numpy(drawn.rows)
        self.tokens, self.labels, self.rows = tokens, labels, rows

    @torch.no_grad()
    def adam_atan2(self, lr):
        given, step = self.given, self.done + 1
        for p, (mean, square) in zip(self.model.parameters(), self.moments, strict=True):
            p.mul_(1 - lr * given.weight_decay)
            mean.lerp_(p.grad, 1 - given.beta1)
            square.lerp_(p.grad.square(), 1 - given.beta2)
            size = (square / (1 - given.beta2**step)).sqrt()
            p.add_(torch.atan2(mean / (1 - given.beta1**step), size), alpha=-lr)
            p.grad = None

    @torch.no_grad()
    def sign_sgd(self, gradient, lr):
        ids, place = self.rows.unique(return_inverse=True)
        total = torch.zeros(len(ids), gradient.shape[1])
        total.scatter_add_(0, place.unsqueeze(-1).expand(-1, gradient.shape[1]), gradient)
        moved = self.model.table[ids]
        moved.mul_(1.0 - lr * self.given.puzzle_weight_decay).add_(torch.sign(total), alpha=-lr)
        self.model.table[ids] = moved


def crop(sheet):
    """The largest rectangle of symbols at the first cell."""
    best, size, columns = 0, (0, 0), sheet.shape[1]
    for row in range(1, sheet.shape[0] + 1):
        for column in range(columns):
            if sheet[row - 1, column] < 2:
                columns = column
                break
        if row * columns > best:
            best, size = row * columns, (row, columns)
    return sheet[: size[0], : size[1]] - 2


@torch.inference_mode()
def vote(model, canvas, cells, voters, rows):
    """Predict variants of a test input; (votes, mean confidence) of each candidate, best first."""
    tokens = np.stack([canvas.draw(one.apply(cells)) for one in voters]).astype(np.int64)
    tokens, puzzles = torch.from_numpy(tokens), model.table[rows]
    size = (len(voters), model.length, model.given.hidden)
    answer, latent = model.first_answer.expand(size), model.first_latent.expand(size)
    for _ in range(model.given.halt_max_steps):
        answer, latent, logits, halt = model(answer, latent, tokens, puzzles)
    predicted, sure = logits.argmax(-1).numpy(), torch.sigmoid(halt).numpy()
    found = defaultdict(list)
    for number, one in enumerate(voters):
        cut = crop(predicted[number].reshape(canvas.rows, canvas.columns))
        if cut.size:
            found[tuple(map(tuple, one.invert(cut).tolist()))].append(float(sure[number]))
    ranked = [(grid, len(votes), sum(votes) / len(votes)) for grid, votes in found.items()]
    return sorted(ranked, key=lambda one: (-one[1], -one[2]))
