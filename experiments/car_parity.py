"""CaR's published steps beside ours on the same vectors: directions, clusters, and the rows that are kept.

    python experiments/car_parity.py PEER_PYTHON [--rows 52002]

PEER_PYTHON is an interpreter with scikit-learn. The peer does what CaR's `cluster.py` does, on made vectors instead of
a sentence encoder's: PCA(0.95, random_state=42), KMeans(int(sqrt(n / 2)), random_state=42), then the thousand highest
scores and the best of every cluster. CaR's embeddings, and its scores and labels of rows that it did not keep, are not
published with the code, so its 1,013 rows cannot be chosen again from their texts.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))
from selection import SEED, grid, vectors

TOP = 1000


def scores(rows: int) -> np.ndarray:
    return np.random.default_rng(7).random(rows)


def kept(labels: np.ndarray) -> list[int]:
    """What CaR keeps: the highest of all in union with the highest of every cluster."""
    by_score = np.argsort(-scores(len(labels)), kind="stable")
    found, seen = set(by_score[:TOP].tolist()), set()
    for place in by_score:
        if labels[place] not in seen:
            seen.add(labels[place])
            found.add(int(place))
    return sorted(found)


def peer(rows: int) -> dict[str, object]:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    turned = PCA(n_components=0.95, random_state=SEED).fit_transform(vectors(rows))
    made = KMeans(n_clusters=int(math.sqrt(rows / 2)), random_state=SEED).fit(turned)
    return {"dimensions": turned.shape[1], "inertia": float(made.inertia_), "kept": kept(made.labels_)}


def ours(rows: int) -> dict[str, object]:
    from newtongue.methods.clustering import cluster_count, inertia, kmeans, principal
    from newtongue.methods.selection import top_and_clusters

    turned = principal(grid(rows), 0.95)
    labels, values = kmeans(turned, cluster_count(rows), SEED), scores(rows)
    best = np.argsort(-values, kind="stable")[:TOP].tolist()
    found = set(best) | set(top_and_clusters(values, labels, np.arange(rows), 1))
    assert sorted(found) == kept(labels), "the same clusters give the same rows by both ways of choosing"
    return {"dimensions": turned.shape[1], "inertia": inertia(turned, labels), "kept": sorted(found)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", nargs="?", default=sys.executable)
    parser.add_argument("--rows", type=int, default=52002)
    parser.add_argument("--one", action="store_true")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(peer(given.rows)))
        return
    command = [given.peer, str(Path(__file__).resolve()), "--one", "--rows", str(given.rows)]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = ours(given.rows)
    shared = set(found["kept"]) & set(theirs["kept"])  # type: ignore[call-overload]
    for name, facts in (("CaR's steps", theirs), ("ours", found)):
        print(f"{name:12} {facts['dimensions']} dimensions, inertia {facts['inertia']:.1f}, {len(facts['kept'])} kept")  # type: ignore[arg-type]
    print(f"{len(shared)} rows are kept by both; inertia {100 * (found['inertia'] / theirs['inertia'] - 1):+.2f} %")  # type: ignore[operator]


if __name__ == "__main__":
    main()
