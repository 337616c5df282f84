"""Rules of the code base that no single test would notice: layers, names, sizes, documents, the wheel."""

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest

from maglev.daemon.options import SETTINGS
from maglev.model.health import TRANSITIONS, Lifecycle, State
from tests.layers import (
    ANYWHERE,
    INNER_ORDERS,
    ORDER,
    PURE,
    PURE_LIBRARIES,
    ROOT,
    SOURCES,
    USES,
    folder_of,
    imports,
    is_pure,
    module_name,
    modules,
    path_of,
    place_of,
    tree_of,
    walk,
)

MODULES = modules()
DAEMON = [name for name in MODULES if not name.startswith("vppsim")]

CALLED_BY_TWISTED = re.compile(
    r"(startService|stopService|privilegedStartService|connectionMade|dataReceived|lineReceived|connectionLost"
    r"|makeConnection|resumeProducing|pauseProducing|stopProducing"
    r"|render_.*|perspective_.*|remote_.*|view_.*|observe_.*|opt_.*)"
)
"""Methods whose coroutine nobody would run (design 2.3): Twisted calls them and looks at no result, or at any."""

LOG_CALLS = {"debug", "info", "warn", "error", "critical", "failure", "emit"}

LOST_FIELDS = {"time", "level", "event", "isError", "format", "message", "system", "why", "traceback"}
"""Names that a line has already, or that belong to Twisted's old log system: a field of that name would get lost."""

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = {"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict", "count", "cycle"}
MUTATORS = {"append", "add", "update", "pop", "popitem", "clear", "extend", "insert", "remove", "discard", "setdefault"}


def edges(names, *, for_types=False):
    return [(module, other) for module in names for other in sorted(imports(module, for_types=for_types)[0])]


def in_folder(module, *folders):
    return folder_of(module) in folders


def run(*command, folder=ROOT):
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, env=environment)


def in_subprocess(code):
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


# Layers


def arrows(between, *, for_types):
    """Return (module, other) for each import between two different folders; `between` names a module's folder."""
    found = edges(MODULES, for_types=for_types)
    return [(one, other) for one, other in found if None not in (between(one), between(other))]


def test_imports_between_folders_point_to_the_left_even_those_for_type_checkers_only():
    def between(module):
        return None if folder_of(module) in ANYWHERE | {"__main__"} else folder_of(module)

    pairs = [(one, other) for one, other in arrows(between, for_types=True) if between(one) != between(other)]
    assert len(pairs) > 300
    assert not [(one, other) for one, other in pairs if place_of(between(one)) <= place_of(between(other))]


@pytest.mark.parametrize("outer", INNER_ORDERS)
def test_folders_within_a_folder_follow_an_order_of_their_own(outer):
    inner = {folder.name for folder in (SOURCES / outer).iterdir() if (folder / "__init__.py").exists()}

    def between(module):
        names = module.split(".")
        return names[1] if names[0] == outer and len(names) > 2 and names[1] in inner else None

    order = INNER_ORDERS[outer]
    pairs = [(one, other) for one, other in arrows(between, for_types=True) if between(one) != between(other)]
    assert not [pair for pair in pairs if place_of(between(pair[0]), order) <= place_of(between(pair[1]), order)]
    assert {name for place in order for name in place.split(" | ")} == inner


@pytest.mark.parametrize("folder", USES)
def test_a_folder_uses_no_more_of_ours_than_its_docstring_says(folder):
    def is_inside(module):
        return f"{module}.".startswith(f"{folder}.")

    used = {other for one, other in edges(MODULES, for_types=True) if is_inside(one) and not is_inside(other)}
    assert {folder_of(name) for name in used} - {""} == USES[folder]


def test_every_folder_states_its_rules():
    packages = [name for name, path in MODULES.items() if path.name == "__init__.py" and name]
    assert len(packages) > 30
    assert [name for name in packages if "Rules:" not in ast.get_docstring(tree_of(name))] == []


def test_every_folder_that_has_folders_has_an_order_for_them():
    outer = {path.parents[1].relative_to(SOURCES) for path in SOURCES.rglob("__init__.py") if path.parent != SOURCES}
    assert {str(path) for path in outer} - {"."} == INNER_ORDERS.keys()


def in_circles(arrows):
    """Return what is in a circle of arrows, or leads from one to another, of (from, to) pairs."""
    ahead = {one: {other for start, other in arrows if start == one} for one, _ in arrows}
    # What points at nothing that is left is in no circle; take it away until nothing changes.
    while ended := {name for name, others in ahead.items() if not others & (ahead.keys() - {name})}:
        ahead = {name: others for name, others in ahead.items() if name not in ended}
    return sorted(ahead)


def test_no_modules_import_one_another_in_a_circle_even_for_type_checkers_only():
    assert in_circles(edges(MODULES, for_types=True)) == []


def test_no_folders_import_one_another_in_a_circle_nor_a_folder_and_one_within_it():
    own = [name for name, path in MODULES.items() if path.name != "__init__.py" and path_of(name)]
    pairs = {(path_of(one), path_of(other)) for one, other in edges(own, for_types=True) if other in own}
    pairs = {(one, other) for one, other in pairs if one != other}
    assert len(pairs) > 80
    assert in_circles(pairs) == []


def test_a_circle_would_be_noticed():
    assert in_circles([("commands", "commands.handlers"), ("commands.handlers", "commands")])
    assert in_circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == ["a", "b", "c"]
    assert in_circles([("a", "b"), ("b", "c"), ("a", "c")]) == []


def test_the_seams_import_words_only():
    assert {folder_of(name) for name in imports("interfaces", for_types=True)[0]} == {"model"}


def test_a_pure_module_imports_the_standard_library_and_little_else():
    used = {(module, name) for module in MODULES if is_pure(module) for name in imports(module)[1]}
    foreign = {(module, name) for module, name in used if name.partition(".")[0] not in sys.stdlib_module_names}
    assert not [(module, name) for module, name in foreign if not {name, name.partition(".")[0]} & PURE_LIBRARIES]


def test_pure_modules_run_without_twisted():
    names = [f"maglev.{name}" for name in MODULES if is_pure(name)]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
    code += "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'twisted'))"
    assert in_subprocess(code) == "[]\n"


def test_front_ends_never_touch_the_vpp_client():
    front_ends = [name for name in MODULES if in_folder(name, "commands", "rpc", "ssh", "maglevc", "maglevt")]
    assert len(front_ends) > 30
    assert not [(one, other) for one, other in edges(front_ends) if folder_of(other) == "vpp"]


def test_the_simulator_shares_the_table_with_the_daemon_and_nothing_else():
    simulator = [name for name in MODULES if in_folder(name, "vppsim")]
    ours = {other for _, other in edges(simulator, for_types=True) if not in_folder(other, "vppsim")}
    assert ours == {"model.version", "vpp.lb.table"}


def test_importing_anything_installs_no_reactor():
    names = [f"maglev.{name}".rstrip(".") for name in MODULES if name.rpartition(".")[2] != "__main__"]
    code = f"import importlib, sys\nfor name in {names!r}:\n importlib.import_module(name)\n"
    code += " assert 'twisted.internet.reactor' not in sys.modules, name + ' installs a reactor'"
    in_subprocess(code)


def takes_reactor(node):
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return False
    names = {f"{getattr(node, 'module', None) or ''}.{alias.name}".lstrip(".") for alias in node.names}
    return bool(names & {"twisted.internet.reactor", "twisted.internet.task.react"})


def test_only_programs_and_the_composition_root_take_the_global_reactor():
    takers = {module for module in MODULES if any(map(takes_reactor, walk(tree_of(module))))}
    assert takers == {"daemon.tap", "daemon.program", "maglevc.program", "maglevt.program", "vppsim.program"}


# Names, sizes, state


def test_nothing_that_twisted_calls_is_a_coroutine():
    coroutines = [
        (module, node.name)
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert len(coroutines) > 20
    assert not [(module, name) for module, name in coroutines if CALLED_BY_TWISTED.fullmatch(name)]


PEOPLE = ("commands", "terminal", "maglevc", "maglevt")
"""Loops in these end with the session, line or page of a person."""

ENDING_LOOPS = {
    ("announce.hook_stream", "_follow"): "ends with its reader, who is hung up on and comes again",
    ("announce.hook_stream", "run"): "likewise",
    ("peers.link", "_read"): "pages have an end, and a reading has a deadline",
    ("peers.link", "_session"): "in a step of a loop that goes through Tasks.repeat",
    ("peers.service", "_read_ours"): "pages have an end; in a step of a loop that goes through Tasks.repeat",
    ("rpc.server.perspective", "_page"): "a page has an end",
    ("rpc.server.pushing", "_run"): "ends with its subscription, and the client learns of it",
    ("rpc.server.pushing", "_wait_for_room"): "ends with its subscription",
    ("runtime.tasks", "_repeat"): "the one that catches everything",
    ("web.row_reader", "rows_of"): "pages have an end",
    ("vpp.sync.retry", "wait"): "ends in time; in a step of a loop that goes through Tasks.repeat",
}
"""All loops that wait, with the reason why an exception may end them. One that supervises something for as long as the
daemon runs does not belong here: it goes through `Tasks.repeat`."""


def test_loops_that_supervise_something_outlive_any_exception():
    found = {
        (module, function.name)
        for module in DAEMON
        if not in_folder(module, *PEOPLE)
        for function in walk(tree_of(module))
        if isinstance(function, ast.AsyncFunctionDef)
        for loop in walk(function)
        if isinstance(loop, ast.While | ast.AsyncFor) and any(isinstance(each, ast.Await) for each in walk(loop))
    }
    assert found == ENDING_LOOPS.keys()
    assert not [module for module in DAEMON if "LoopingCall" in MODULES[module].read_text()]


def test_a_module_has_at_most_400_lines():
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert not {module: length for module, length in lengths.items() if length > 400}


def test_the_init_of_a_package_holds_its_docstring_and_nothing_else():
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            body = tree_of(module).body
            assert len(body) == 1, path
            assert ast.get_docstring(tree_of(module)), path


def module_variables(module):
    """Return (name, value, whether it is Final) of each assignment at the top of a module."""
    for node in tree_of(module).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value, "Final" in ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), node.value, False


def is_mutable(value):
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in MUTABLE_CALLS
    return isinstance(value, MUTABLE)


def mutations(module):
    """Return the names whose value something in the module changes in place."""
    names = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Global):
            names |= set(node.names)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(ast.unparse(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            names.add(ast.unparse(node.func.value))
    return names


def places_of_classes(folder):
    """Return the modules below a folder that define a class of a name, by that name."""
    places = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    return places


@pytest.mark.parametrize("folder", ["maglev", "tests"])
def test_no_two_classes_share_a_name(folder):
    places = places_of_classes(folder)
    assert len(places) > 200
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_no_module_keeps_state():
    for module in MODULES:
        changed = mutations(module)
        for name, value, final in module_variables(module):
            assert name not in changed, f"maglev.{module}.{name} is changed"
            assert not is_mutable(value) or final, f"maglev.{module}.{name} must be Final"


# The log


def log_calls(module):
    """Return (name of the event, names of its fields) of each call of a logger with a literal name."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_CALLS:
            if not ast.unparse(node.func.value).endswith("_log"):
                continue
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            assert len(texts) == 1, f"maglev.{module}:{node.lineno}: an event has one literal name"
            yield texts[0], {keyword.arg for keyword in node.keywords if keyword.arg}


def test_log_events_have_names_in_kebab_case_and_fields_that_do_not_get_lost():
    for module in DAEMON:
        for name, fields in log_calls(module):
            assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name), f"maglev.{module}: {name}"
            assert not fields & LOST_FIELDS, f"maglev.{module}: {name}"


# Documents


@pytest.fixture(scope="module")
def operation():
    return (ROOT / "docs/operation.rst").read_text()


def test_every_log_event_is_documented(operation):
    names = {name for module in DAEMON for name, _ in log_calls(module)}
    assert {name for name in names if f"``{name}``" not in operation} == set()


def test_every_option_is_documented(operation):
    manual = (ROOT / "man/maglevd.8").read_text().replace("\\-", "-")
    for each in SETTINGS:
        assert f"``--{each.name}``" in operation
        assert f"--{each.name}" in manual
        assert each.variable in manual
        assert each.default in manual


def test_the_table_of_lifecycle_events_is_the_one_in_the_program():
    text = (ROOT / "docs/health.rst").read_text()
    table = text.partition(":header: event, ")[2].partition("\n\n\n")[0].partition("\n\n   ")
    states = table[0].split(", ")
    rows = [line.strip().split(", ") for line in table[2].splitlines()[: len(Lifecycle)]]
    shown = {row[0]: dict(zip(states, row[1:], strict=True)) for row in rows}
    assert shown == {
        str(event): {str(state): str(TRANSITIONS[event].get(state, "--")) for state in State} for event in Lifecycle
    }


# The distribution


def test_the_folder_of_the_dropin_is_not_a_package():
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "twisted").rglob("*") if path.suffix in {".py", ".pyi"}}
    assert files == {"twisted/plugins/maglev_plugin.py"}


def test_the_dropin_only_makes_a_service_maker():
    tree = ast.parse((ROOT / "twisted/plugins/maglev_plugin.py").read_text())
    imported = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imported == ["from twisted.application.service import ServiceMaker"]


def test_what_is_installed_is_the_program_the_dropin_and_the_data(tmp_path):
    pytest.importorskip("setuptools")
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("maglev", "twisted", "tests", "docs", "debian", "man"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    # What a wheel is packed from; packing one takes a package that is not everywhere.
    made = run(sys.executable, "-W", "ignore", "setup.py", "-q", "build", "--build-lib", str(built), folder=source)
    assert made.returncode == 0, made.stderr
    held = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    expected = {str(path.relative_to(ROOT)) for path in MODULES.values()}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "maglev/vppsim").glob("*.json")}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "maglev/web/static").iterdir()}
    expected |= {"maglev/config/maglev.schema.json"}
    assert held == expected | {"maglev/py.typed", "maglev/build.json", "twisted/plugins/maglev_plugin.py"}


def test_the_layers_name_every_folder_and_nothing_that_is_gone():
    folders = {folder for place in ORDER for folder in place.split(" | ")}
    assert folders == {path.name for path in (ROOT / "maglev").iterdir() if (path / "__init__.py").exists()}
    assert all(name in MODULES for name in PURE)
    loose = {path.name for path in (ROOT / "maglev").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "interfaces.py"}
    assert module_name(MODULES["vpp.sync.plan"]) == "vpp.sync.plan"


def test_the_map_of_the_fakes_names_each_of_them():
    folder = ROOT / "tests" / "fakes"
    columns = [line[:20] for line in ast.get_docstring(ast.parse((folder / "__init__.py").read_text())).splitlines()]
    named = {name for column in columns for name in re.findall(r"\b[a-z][a-z_]*\b", column)}
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} - named == set(), "see tests/fakes/__init__.py"
