"""Hub ids: which commit one stands for in a store, and getting it onto this machine when a stage needs it."""

from __future__ import annotations

from dataclasses import replace

from newtongue.core.artefact import Artefact
from newtongue.core.config import Ref, references
from newtongue.run.recipe import Recipe
from newtongue.run.reporter import Reporter
from newtongue.run.sources import check_model
from newtongue.run.store import Pins


def pin(recipe: Recipe, pins: Pins, show: Reporter) -> None:
    """Lock every hub id of a recipe to a commit, asking the hub for those that have none yet.

    Raises:
        ProviderError: The hub cannot be asked, or refuses.
    """
    for ref in _hub_ids(recipe):
        commit = pins.commit(ref)
        if commit is None:
            from newtongue.adapters.hf.hub import commit_of

            repository, _, revision = ref.partition("@")
            commit = commit_of(repository, revision or "main", dataset="Model" not in ref.kinds)
            show.line(f"   {ref}: locked at commit {commit[:12]}")
        pins.lock(ref, commit)


def fetch(artefact: Artefact, show: Reporter) -> Artefact:
    """Return a hub artefact with the path of its files on this machine, downloading what is missing."""
    from newtongue.adapters.hf.hub import download

    repository, _, commit = artefact.fingerprint.removeprefix("hub:").partition("@")
    show.line(f"   {repository}: from the hub, commit {commit[:12]}")
    path = download(repository, commit, dataset=artefact.kind != "Model")
    if artefact.kind == "Model":
        check_model(path, artefact.name)
    return replace(artefact, path=path)


def _hub_ids(recipe: Recipe) -> list[Ref]:
    """Return the hub ids a recipe names, each once, in order."""
    found = {ref: ref for step in recipe.steps for _, ref in references(step.config) if ref.is_hub_id}
    return list(found.values())
