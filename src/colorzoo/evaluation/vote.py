"""Blind votes between methods: a static page with pairs of results, and scores from the votes."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, ndtri

from colorzoo.console import progress_bar
from colorzoo.errors import DataError, ImageError
from colorzoo.evaluation.images import (
    digest,
    hash_all,
    read_truth,
    select_images,
)
from colorzoo.evaluation.methods import (
    MethodSource,
    check_methods,
    missing_guidance,
    open_methods,
    parse_methods,
)
from colorzoo.evaluation.page import render_template
from colorzoo.evaluation.protocol import Protocol, interaction_counts, load_protocol
from colorzoo.evaluation.run import colorize_with_protocol, eight_bit_image
from colorzoo.evaluation.statistics import LEVEL, Estimate
from colorzoo.files import check_outputs, digest_of, write_atomic

KEY_FILE, PAGE_FOLDER = "key.json", "page"
SCHEMA = 1
PRIOR = 0.5  # votes added to both sides of each compared pair of methods; Haldane-Anscombe correction
_CHOICES = ("left", "right", "same")


@dataclass(frozen=True)
class VoteScore:
    """Result of a method in a blind vote.

    Attributes:
        name: Name of the method.
        score: Bradley-Terry score: logarithm of the strength, with mean 0 over all methods. The difference
            between two scores is the log odds that the first method is preferred to the second method.
        won: Number of votes for the method.
        same: Number of votes for no difference.
        lost: Number of votes for the other method.
    """

    name: str
    score: Estimate
    won: int
    same: int
    lost: int


def write_vote(
    models: Mapping[str, MethodSource] | Sequence[str],
    data: Path,
    folder: Path,
    protocol: str | Protocol = "blind-vote",
    *,
    pairs: str | None = None,
    interactions: Sequence[int] | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[tuple[str, str], ...]:
    """Colorize images with all methods and write a page for a blind vote.

    The images equal the results in a report with the same protocol. The subfolder `PAGE_FOLDER` contains the
    page for the voters. It shows each pair of methods for each image, in random order and on random sides.
    The file `KEY_FILE` in ``folder`` names the methods.

    Args:
        models: Sources of at least two methods by row name, or entries of ``--models``; see `evaluate`.
        data: Folder of color images.
        folder: Output folder.
        protocol: Evaluation protocol, which determines size and guidance; see `evaluate`.
        pairs: CSV file of image pairs in ``data``; ``pairs.csv`` by default.
        interactions: Numbers of interactions; the page shows the results after the largest number. None uses
            the numbers of the protocol.
        limit: Maximum number of images.
        seed: Seed for the order and the sides.
        device: Device of the models.

    Returns:
        Name and reason for each skipped image.

    Raises:
        ColorzooError: Fewer than two methods, a missing file, a vote in ``folder``, a folder inside ``data``,
            or no readable image.
    """
    sources, _ = parse_methods(models)
    if len(sources) < 2:
        raise DataError(f"a vote requires at least two methods, got {', '.join(sources) or 'none'}")
    check_methods(sources)
    if not isinstance(protocol, Protocol):
        protocol = load_protocol(protocol)
    count = max(interaction_counts(protocol, interactions))
    page = folder / PAGE_FOLDER
    pages = [page / "index.html", *(page / "images").glob("[!.]*")]  # a killed run leaves hidden files
    check_outputs([folder / KEY_FILE, *pages], folders=[data], overwrite=False)
    selected, _ = select_images(data, protocol, pairs, limit)
    items, skipped = hash_all(selected)
    torch_device = torch.device(device)
    methods = open_methods(sources, protocol, torch_device)
    for note in missing_guidance(protocol, data, methods, items):
        warnings.warn(note, UserWarning, stacklevel=2)
    # colorize all images with all methods
    results = []
    with progress_bar("colorizing", len(items)) as step:
        for item in items:
            try:
                truth = read_truth(item, protocol, torch_device)
                colorized = {}
                for method in methods:
                    (turn,) = colorize_with_protocol(protocol, method, item, truth, [count])
                    colorized[method.name] = eight_bit_image(turn.result.rgb)
                results.append((item, colorized))
            except ImageError as error:
                skipped.append((item.name, str(error)))
            step()
    if not results:
        raise DataError(f"no image could be colorized; first error: {skipped[0][1]}")
    # write each pair of methods for each image, in random order and on random sides
    generator = np.random.default_rng(seed)
    comparisons = list(product(results, combinations([method.name for method in methods], 2)))
    shown_pairs, image_hashes = [], []
    for number, index in enumerate(generator.permutation(len(comparisons)), start=1):
        (item, images), (left, right) = comparisons[index]
        if generator.random() < 0.5:
            left, right = right, left
        for side, name in (("left", left), ("right", right)):
            content = io.BytesIO()
            images[name].save(content, "PNG", compress_level=1)
            write_atomic(folder / PAGE_FOLDER / "images" / f"{number:04d}-{side}.png", content.getbuffer())
            image_hashes.append(digest_of(images[name].tobytes()))
        shown_pairs.append({"image": item.name, "sha256": item.sha256, "left": left, "right": right})
    # write the page for the voters, and the key that names the methods
    vote = digest(json.dumps(shown_pairs), str(seed), *image_hashes)[:12]  # identifies the shown images
    about = [{"name": method.name, **method.about} for method in methods]
    key = {"schema": SCHEMA, "vote": vote, "seed": seed, "methods": about, "pairs": shown_pairs}
    text = render_template("vote.html", vote=vote, count=len(shown_pairs))
    write_atomic(folder / PAGE_FOLDER / "index.html", text.encode())
    write_atomic(folder / KEY_FILE, (json.dumps(key, indent=1) + "\n").encode())
    return tuple(skipped)


def count_votes(key: Path, files: Sequence[Path]) -> list[VoteScore]:
    """Compute the scores of all methods from files of votes, best score first.

    A vote for no difference counts as half a vote for both methods. The intervals come from the Fisher
    information, with all votes treated as independent.

    Args:
        key: File `KEY_FILE` of the vote.
        files: Files that voters saved from the page.

    Raises:
        DataError: A file is damaged, repeated or belongs to another vote, or the votes do not connect all
            methods.
    """
    content = _read_json(key)
    pairs = [(pair["left"], pair["right"]) for pair in content["pairs"]]
    names = sorted({name for pair in pairs for name in pair})
    vote, index = content["vote"], {name: number for number, name in enumerate(names)}
    # count the votes for the method of the row against the method of the column, and for no difference
    wins, ties = np.zeros((len(names), len(names))), np.zeros((len(names), len(names)))
    voters: dict[str, Path] = {}
    for file in files:
        content = _read_json(file)
        if not isinstance(content, dict) or not {"vote", "voter", "votes"} <= content.keys():
            raise DataError(f"{str(file)!r} is not a file of votes")
        if content["vote"] != vote:
            raise DataError(f"{str(file)!r} belongs to the vote {content['vote']}, not to the vote {vote}")
        choices = content["votes"]
        are_votes = isinstance(choices, list) and all(choice in _CHOICES for choice in choices)
        if not are_votes or len(choices) > len(pairs):
            raise DataError(f"{str(file)!r} must list at most {len(pairs)} votes: left, right or same")
        voter = str(content["voter"])
        if voter in voters:
            raise DataError(f"{str(file)!r} and {str(voters[voter])!r} are files of the same voter")
        voters[voter] = file
        # a voter can stop early, so the list of choices can be shorter
        for (left, right), choice in zip(pairs, choices, strict=False):
            first, second = index[left], index[right]
            if choice == "left":
                wins[first, second] += 1
            elif choice == "right":
                wins[second, first] += 1
            else:
                ties[first, second] += 1
                ties[second, first] += 1
    scores = bradley_terry(wins + ties / 2, names)
    rows = []
    for number, name in enumerate(names):
        won, same, lost = wins[number].sum(), ties[number].sum(), wins[:, number].sum()
        rows.append(VoteScore(name, scores[number], int(won), int(same), int(lost)))
    return sorted(rows, key=lambda row: -row.score.value)


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{str(file)!r} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{str(file)!r} is not a JSON file") from error


def bradley_terry(wins: NDArray[np.float64], names: Sequence[str] = ()) -> list[Estimate]:
    """Return the Bradley-Terry scores of methods with their confidence intervals.

    Examples:
        >>> first, second = bradley_terry(np.array([[0, 15], [5, 0]]))
        >>> first.low > second.high
        True

    The model is P(i is preferred to j) = expit(s_i - s_j) (Bradley and Terry 1952). `PRIOR` votes are added
    to both sides of each compared pair, because the likelihood has no maximum if a method always wins. The
    scores are the maximum of the likelihood, computed with the algorithm of Hunter 2004.

    Args:
        wins: ``(M, M)`` number of votes for the method of the row against the method of the column.
        names: Names of the methods for error messages.

    Raises:
        DataError: The compared pairs do not connect all methods, so some scores cannot be compared.
    """
    wins = np.asarray(wins, dtype=np.float64)
    compared = (wins + wins.T) > 0
    # the compared pairs must connect all methods
    group_count, group = connected_components(compared, directed=False)
    if group_count > 1:
        labels = np.array(names or range(len(compared)), dtype=str)
        groups = " | ".join(", ".join(labels[group == number]) for number in range(group_count))
        raise DataError(f"the votes must connect all methods, got separate groups: {groups}")
    wins = np.where(compared, wins + PRIOR, wins)
    votes = wins + wins.T
    # strengths that maximize the likelihood; their geometric mean is 1
    strengths = np.ones(len(wins))
    for _ in range(10_000):
        previous = strengths
        strengths = wins.sum(1) / (votes / (previous[:, None] + previous)).sum(1)
        strengths /= np.exp(np.log(strengths).mean())
        if np.allclose(strengths, previous, rtol=1e-12, atol=0):
            break
    scores = np.log(strengths)
    # standard errors from the Fisher information of the votes
    preferred = expit(scores[:, None] - scores)
    information = -votes * preferred * (1 - preferred)
    np.fill_diagonal(information, 0)
    np.fill_diagonal(information, -information.sum(1))
    standard_errors = np.sqrt(np.diag(np.linalg.pinv(information)))
    half_widths = standard_errors * ndtri((1 + LEVEL) / 2)  # normal approximation
    return [
        Estimate(value=score, low=score - half_width, high=score + half_width)
        for score, half_width in zip(scores.tolist(), half_widths.tolist(), strict=True)
    ]
