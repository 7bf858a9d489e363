"""The shape of the code, measured: short functions, short files, honest names, declared dependencies."""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain

import pytest
from house import source

STANDARD_LIBRARY = sys.stdlib_module_names
ALLOWED_IN_CORE = {"newtongue", "pydantic", "pydantic_core"}
ALLOWED_IN_METHODS = {"newtongue", "numpy", "scipy", "numba"}
LIGHT_FILES = ("config.py", "estimate.py")
HEAVY = {"torch", "transformers", "tokenizers", "pyarrow", "aiohttp", "safetensors", "peft", "trl", "numba", "scipy"}


def test_functions_are_short() -> None:
    lengths = sorted(source.length(f) for file in source.modules() for f in source.functions(file))
    assert statistics.median(lengths) <= 8
    assert lengths[int(0.9 * len(lengths))] <= 35
    assert sum(n > 50 for n in lengths) <= 0.04 * len(lengths)


def test_no_function_is_longer_than_a_screen_and_a_half() -> None:
    long = [
        f"{source.name(file)}:{f.lineno} {f.name} has {source.length(f)} lines"
        for file in source.modules()
        for f in source.functions(file)
        if source.length(f) > 80
    ]
    assert not long, "\n".join(long)


def test_files_are_short() -> None:
    lengths = {source.name(file): len(file.read_text("utf-8").splitlines()) for file in source.modules()}
    assert not {name: lines for name, lines in lengths.items() if lines > 500}


def test_no_file_has_a_name_that_says_nothing() -> None:
    nameless = {"utils.py", "util.py", "common.py", "helpers.py", "misc.py", "tools.py"}
    assert not [source.name(file) for file in source.modules() if file.name in nameless]


def test_functions_take_few_positional_arguments() -> None:
    crowded = [
        f"{source.name(file)}:{f.lineno} {f.name}"
        for file in source.modules()
        for f in source.functions(file)
        if len([a for a in f.args.posonlyargs + f.args.args if a.arg not in ("self", "cls", "ctx")]) > 5
    ]
    assert not crowded, "\n".join(crowded)


def test_every_parameter_and_result_has_a_type() -> None:
    bare = []
    for file in source.modules():
        for function in source.functions(file):
            arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
            named = [a for a in arguments if a.arg not in ("self", "cls", "_")]
            if function.returns is None or any(a.annotation is None for a in named):
                bare.append(f"{source.name(file)}:{function.lineno} {function.name}")
    assert not bare, "\n".join(bare)


def test_public_things_say_what_they_are() -> None:
    silent = []
    for file in source.modules():
        tree = source.tree(file)
        if tree.body and ast.get_docstring(tree) is None:
            silent.append(source.name(file))
        for node in tree.body:
            public = isinstance(node, ast.ClassDef | source.Function) and not node.name.startswith("_")
            if public and ast.get_docstring(node) is None:
                silent.append(f"{source.name(file)}:{node.lineno} {node.name}")
    assert not silent, "\n".join(silent)


def test_every_setting_is_documented() -> None:
    silent = []
    for file in [*source.PACKAGE.glob("stages/*/config.py"), *source.PACKAGE.glob("core/*.py")]:
        for node in [n for n in source.tree(file).body if isinstance(n, ast.ClassDef) and _is_settings(n)]:
            for field, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
                    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                        continue
                    silent.append(f"{source.name(file)}:{field.lineno} {node.name}.{ast.unparse(field.target)}")
    assert not silent, "\n".join(silent)


def _is_settings(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base) in ("Settings", "StageConfig") for base in node.bases)


@pytest.mark.parametrize(("folder", "allowed"), [("core", ALLOWED_IN_CORE), ("methods", ALLOWED_IN_METHODS)])
def test_lower_layers_import_only_what_they_may(folder: str, allowed: set[str]) -> None:
    foreign = [
        f"{source.name(file)}:{line} imports {module}"
        for file in sorted((source.PACKAGE / folder).rglob("*.py"))
        for module, line in source.imported(file)
        if module.split(".")[0] not in allowed | STANDARD_LIBRARY
    ]
    assert not foreign, "\n".join(foreign)


def test_settings_and_estimates_import_nothing_heavy() -> None:
    heavy = [
        f"{source.name(file)}:{line} imports {module}"
        for file in source.modules()
        if file.name in LIGHT_FILES
        for module, line in source.imported(file)
        if module.split(".")[0] in HEAVY or module.startswith("newtongue.adapters")
    ]
    assert not heavy, "\n".join(heavy)


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((source.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    stated = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {_plain(re.match(r"[\w-]+", requirement)[0]) for requirement in stated}
    providers = packages_distributions()
    undeclared = []
    for file in source.modules():
        for module, line in source.imported(file):
            top = module.split(".")[0]
            if top in STANDARD_LIBRARY or top in ("newtongue", "pydantic_core"):
                continue
            if not declared & {_plain(name) for name in providers.get(top, [top])}:
                undeclared.append(f"{source.name(file)}:{line} imports {module}")
    assert not undeclared, "\n".join(undeclared)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_every_published_method_names_its_source() -> None:
    anonymous = [
        source.name(file)
        for file in sorted((source.PACKAGE / "methods").glob("[!_]*.py"))
        if not re.search(r"^\s*Sources?: ", file.read_text("utf-8"), re.MULTILINE)
    ]
    assert not anonymous, "\n".join(anonymous)


def test_no_text_names_a_machine_or_a_package_host() -> None:
    machine = "|".join(f"/{folder}/" for folder in ("work", "root", "Users", "home/[a-z]+"))
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", r"pytorch\.org" + "/whl"))
    banned = re.compile(rf"(?<![\w.~$}}])({machine})|{hosts}")
    found = [
        f"{source.name(file)}:{number} {match[0]}"
        for file in source.texts()
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if (match := banned.search(line))
    ]
    assert not found, "\n".join(found)


def test_pinned_packages_satisfy_what_the_library_declares() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((source.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (source.ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {_plain(name): version for name, version in pins.items()}
    extras = project["optional-dependencies"]
    for text in project["dependencies"] + extras["train"] + extras["dev"]:
        requirement = Requirement(text)
        if requirement.name != project["name"]:
            assert requirement.specifier.contains(pinned[_plain(requirement.name)]), text
