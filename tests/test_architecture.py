"""The house keeps its own rules: arrows, sizes, who may import what, who may start tasks."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("sim_iocs/**/*.py")])
EVERYTHING = sorted([*SOURCE, *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")])
PACKAGES = sorted({path.parent for path in SOURCE})

FILE_LINES = 500
FUNCTION_LINES = 50
PARAMETERS = 6
POSITIONAL = 2
TABLE_SHARE = 0.7
"""A function of which one match or one literal is more than this is a table: it may be long."""

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
PEERS = {"bluesky", "ophyd", "ophyd_async", "tiled"}

TASK_MAKERS = {"create_task", "ensure_future"}
BROAD = {"Exception", "BaseException"}

HOMES = {
    "aioca": "src/async_devices/",
    "p4p": "src/async_devices/",
    "h5py": "src/stream_resource/files.py",
    "starlette": "src/data_api/",
    "uvicorn": "src/data_api/",
    "uvloop": "src/data_api/",
    "sqlalchemy": "src/data_api/",
    "watchfiles": "src/data_api/",
    "imagecodecs": ("src/data_api/", "src/stream_resource/frame_codecs.py"),
}
"""Libraries that one place imports, or one place per way of use, beside the simulated beamline."""

FIXED_BY_OTHERS = {
    "engine/plans/": "bluesky's plans",
    "engine/stubs/": "bluesky's plan stubs",
    "engine/preprocessors/baseline.py": "bluesky's preprocessors",
    "async_devices/protocols.py": "bluesky's protocols",
    "src/cli.py": "typer's: a command's parameters are its options",
}
"""Modules whose signatures are somebody else's."""

BOUNDARIES = ("src/engine/", "src/data_api/")
"""Where any exception may be caught: around a plan, a subscriber, an HTTP handler."""

CORE = {"numpy", "pydantic", "event_model", "orjson", "jsonschema_rs", "h5py"}
EXTRAS = {
    "epics": {"aioca", "p4p"},
    "fly": {"scanspec", "yaml"},
    "server": {
        "starlette",
        "uvicorn",
        "uvloop",
        "httptools",
        "sqlalchemy",
        "aiosqlite",
        "watchfiles",
        "imagecodecs",
        "httpx",
    },
    "sim": {"caproto", "p4p", "yaml"},
    "face": {"typer", "rich"},
}
ALONE = {
    "stream_resource": (),
    "async_devices": (),
    "async_devices.epics": ("epics",),
    "engine": (),
    "flyscan": ("fly",),
    "data_api": ("server",),
    "sim_iocs": ("sim",),
    "doctor": (),
}
"""Each package, and the extras that it may ask for."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _module(path: Path) -> str:
    """The dotted name that users import a file or folder by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["wingbeat", *(parts[1:] if parts[0] == "src" else parts)]).removesuffix(".__init__")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _span(nodes: list[ast.stmt]) -> int:
    return (nodes[-1].end_lineno or nodes[-1].lineno) - nodes[0].lineno + 1 if nodes else 0


def _value(node: ast.stmt) -> ast.expr | None:
    return node.value if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr) else None


def _is_table(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = _body(function)
    tables = [node for node in body if isinstance(node, ast.Match) or isinstance(_value(node), ast.Dict)]
    return any(_span([node]) > TABLE_SHARE * _span(body) for node in tables)


def _imported(path: Path) -> set[str]:
    """Full names of what a module imports from outside of its own package's folder."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


def _importers(library: str) -> list[str]:
    return [_name(path) for path in SOURCE if library in {name.split(".")[0] for name in _imported(path)}]


def test_imports_follow_the_arrows() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_declared_packages_are_the_folders() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(declared) == sorted(_module(folder) for folder in PACKAGES)


def test_no_file_is_long() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in EVERYTHING}
    assert not {name: length for name, length in lengths.items() if length >= FILE_LINES}


def test_no_function_is_long() -> None:
    long = {
        f"{_name(path)}:{function.lineno} {function.name}": _span(_body(function))
        for path in EVERYTHING
        for function in _functions(path)
        if _span(_body(function)) >= FUNCTION_LINES and not _is_table(function)
    }
    assert not long


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    """How many parameters can be given by position, and how many there are in all; self and cls are not counted."""
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if positional and positional[0] in {"self", "cls", "mcs"}:
        positional = positional[1:]
    return len(positional), len(positional) + len(arguments.kwonlyargs)


def _own_functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions whose signature is ours to choose."""
    for path in SOURCE:
        if not any(fixed in _name(path) for fixed in FIXED_BY_OTHERS):
            yield from ((path, function) for function in _functions(path) if not function.name.startswith("__"))


def test_no_function_has_many_parameters() -> None:
    many = {
        f"{_name(path)}:{function.lineno} {function.name}": total
        for path, function in _own_functions()
        if (total := _parameters(function)[1]) > PARAMETERS
    }
    assert not many


def _public(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Public functions and methods, each with the module-level name that it is reached by."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            members: list[ast.stmt] = [node]
        else:
            members = node.body if isinstance(node, ast.ClassDef) else []
        for member in members:
            public = isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("_")
            if public and not node.name.startswith("_"):
                yield member, node.name


def _offered(package: Path) -> set[str]:
    """What a package re-exports."""
    imports = [node for node in _tree(package / "__init__.py").body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names}


def _offered_functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Re-exported functions and the public methods of re-exported classes, whose signature is ours to choose."""
    for package in PACKAGES:
        offered = _offered(package) if (package / "__init__.py").exists() else set()
        for path in sorted(package.glob("*.py")):
            if not any(fixed in _name(path) for fixed in FIXED_BY_OTHERS):
                yield from ((path, one) for one, owner in _public(_tree(path)) if owner in offered)


def test_offered_parameters_after_the_second_are_keyword_only() -> None:
    many = {
        f"{_name(path)}:{node.lineno} {node.name}": positional
        for path, node in _offered_functions()
        if (positional := _parameters(node)[0]) > POSITIONAL
    }
    assert not many


@pytest.mark.parametrize("package", PACKAGES, ids=_name)
def test_init_files_only_re_export(package: Path) -> None:
    # A module's __getattr__ re-exports too, when it is first asked; its table is a constant.
    body = _tree(package / "__init__.py").body
    assert isinstance(body[0], ast.Expr), f"{_name(package)}/__init__.py does not say what the package is for"
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If)
    others = [node for node in body[1:] if not isinstance(node, allowed) and getattr(node, "name", "") != "__getattr__"]
    assert not [f"line {node.lineno}" for node in others]


def test_no_module_is_called_after_nothing() -> None:
    assert not [_name(path) for path in SOURCE if path.stem.strip("_") in FORBIDDEN_NAMES]


def _makers() -> set[str]:
    """What gives a TaskGroup: the class, and functions of ours that yield one."""
    functions = (function for path in SOURCE for function in _functions(path) if function.returns is not None)
    yielding = {function.name for function in functions if "TaskGroup" in ast.unparse(function.returns or function)}
    return {"asyncio.TaskGroup", "TaskGroup", *yielding}


MAKERS = _makers()


def _groups(tree: ast.Module) -> set[str]:
    """Names that hold a TaskGroup: bound by `async with`, assigned, or annotated as one."""
    held: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=ast.Call(func=maker), optional_vars=ast.expr() as target):
                held |= {ast.unparse(target)} if ast.unparse(maker) in MAKERS else set()
            case ast.Assign(targets=[target], value=ast.Call(func=maker)):
                held |= {ast.unparse(target)} if ast.unparse(maker) in MAKERS else set()
            case ast.AnnAssign(target=target, annotation=annotation):
                held |= {ast.unparse(target)} if "TaskGroup" in ast.unparse(annotation) else set()
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                held |= {name} if "TaskGroup" in ast.unparse(annotation) else set()
            case _:
                pass
    return held


def _loose_tasks(tree: ast.Module) -> list[str]:
    """Calls that start a task which no TaskGroup waits for, `gather` included: it leaves the others running when one
    fails."""
    groups = _groups(tree)
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="create_task")) if ast.unparse(owner) in groups:
                continue
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in TASK_MAKERS:
                found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="gather")):
                found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
            case _:
                pass
    return found


def test_tasks_live_in_a_task_group_or_a_task_owner() -> None:
    loose = {_name(path): _loose_tasks(_tree(path)) for path in SOURCE if path.stem != "task_owner"}
    assert not {name: calls for name, calls in loose.items() if calls}


@pytest.mark.parametrize(
    "source",
    [
        "asyncio.create_task(work())",
        "loop.create_task(work())",
        "asyncio.ensure_future(work())",
        "await asyncio.gather(a, b)",
        "from asyncio import create_task\ncreate_task(work())",
    ],
)
def test_a_loose_task_is_seen(source: str) -> None:
    assert _loose_tasks(ast.parse(source))


def test_a_task_of_a_group_is_not_loose() -> None:
    source = "async with asyncio.TaskGroup() as group:\n    group.create_task(work())"
    assert not _loose_tasks(ast.parse(source))


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_each_library_has_its_home(library: str, home: str | tuple[str, ...]) -> None:
    homes = (home,) if isinstance(home, str) else home
    outside = [name for name in _importers(library) if not name.startswith((*homes, "sim_iocs/"))]
    assert not outside, f"{library} is to be imported in {home} alone"


@pytest.mark.parametrize("library", ["aioca", "p4p", "h5py"])
def test_one_module_speaks_to_each_of_the_blocking_libraries(library: str) -> None:
    assert len([name for name in _importers(library) if name.startswith("src/")]) <= 1


def test_caproto_is_the_simulations_alone() -> None:
    assert all(name.startswith("sim_iocs/") for name in _importers("caproto"))


def test_no_peer_is_imported() -> None:
    assert not {peer: found for peer in PEERS if (found := _importers(peer))}


def test_the_simulated_beamline_and_the_rest_meet_over_the_network_alone() -> None:
    def reaches_out(path: Path) -> bool:
        up = len(path.relative_to(ROOT / "sim_iocs").parts)  # as many dots as lead out of the folder, and one more
        climbs = (node.level for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom))
        return any(level > up for level in climbs) or any(name.startswith("wingbeat") for name in _imported(path))

    def reaches_in(path: Path) -> bool:
        froms = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom)]
        names = [f"{node.module or ''}.{alias.name}" for node in froms for alias in node.names]
        return any("sim_iocs" in name for name in (*names, *_imported(path)))

    assert not [_name(path) for path in SOURCE if _name(path).startswith("sim_iocs") and reaches_out(path)]
    assert not [_name(path) for path in SOURCE if _name(path).startswith("src") and reaches_in(path)]


def test_any_exception_is_caught_at_marked_boundaries_alone() -> None:
    unmarked = [
        f"{_name(path)}:{node.lineno}"
        for path in SOURCE
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) in BROAD)
        if not isinstance(node.body[-1], ast.Raise)  # one that passes it on is no boundary
        if not (_name(path).startswith(BOUNDARIES) and "# boundary:" in path.read_text().splitlines()[node.lineno - 1])
    ]
    assert not unmarked, "only around a plan, a subscriber or an HTTP handler, marked `# boundary: why`"


def _is_half(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A setter or an overload: its other half carries the docstring."""
    return any(ast.unparse(decorator).endswith(("setter", "overload", "override")) for decorator in node.decorator_list)


@pytest.mark.parametrize("path", SOURCE, ids=_name)
def test_public_names_say_what_they_give(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree), "the module has no docstring"
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    functions = [node for node, _ in _public(tree) if not _is_half(node)]
    assert not [node.name for node in (*classes, *functions) if not ast.get_docstring(node)]


ONLY_ITS_EXTRAS = """
import importlib, pkgutil, sys

class Wall:
    forbidden = set({forbidden!r})
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.forbidden:
            raise ModuleNotFoundError(f"{{name}} is not part of what {package} may ask for", name=name)

sys.meta_path.insert(0, Wall())
module = importlib.import_module("wingbeat.{package}")
for found in pkgutil.walk_packages(getattr(module, "__path__", ()), module.__name__ + "."):
    if found.name not in {skipped!r} and not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""


@pytest.mark.parametrize("package", ALONE)
def test_each_package_imports_with_its_own_extras_alone(package: str) -> None:
    allowed = CORE.union(*(EXTRAS[extra] for extra in ALONE[package]))
    forbidden = sorted(PEERS.union(*EXTRAS.values()) - allowed)
    # The back ends are loaded when a signal asks for them, and the EPICS devices are a package of their own.
    epics = [path for path in SOURCE if {"aioca", "p4p"} & _imported(path) or path.parent.name == "epics"]
    skipped = [_module(path) for path in epics] if package == "async_devices" else []
    script = ONLY_ITS_EXTRAS.format(package=package, forbidden=forbidden, skipped=skipped)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_has_one_name() -> None:
    assert not {"src", "engine", "flyscan", "data_api", "stream_resource", "async_devices"} & sys.modules.keys()
