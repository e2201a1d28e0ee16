"""The house's rules, by ast: what may import what, and how long it may be; each is tried on a made-up house too."""

import ast

import pytest

import notebooks
import reach

READERS = ("nin.runs.read", "nin.runs.studies", "nin.runs.answers", "nin.runs.fears", "nin.runs.starts",
           "nin.bench.rows")
# What these chapters measure before the reader's eyes.
MEASURED = {"speed": {"nin.bench.layers"}, "exercise-3-resources": {"nin.bench.memory"}}
HEAVY = {"torch", "torchvision", "d2l"}
LONGEST, WIDEST = 240, 120


def imports(node, helper, inside):
    """The whole names that a node imports; for `from m import x` that is m.x, be x a module or not."""
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom):
        start = helper.absolute("." * node.level + (node.module or ""), inside)
        return [f"{start}.{name.name}" for name in node.names]
    return []


def module_of(name, helper):
    """The helper's module that a whole name lies in."""
    while not helper.path(name):
        name = name.rpartition(".")[0]
        assert name, "no name of the helper"
    return name


def wing(module, helper):
    """The wing that a module lies in, or None for the core: wings are the folders within the helper."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (helper.folder / "nin" / parts[1]).is_dir() else None


def modules(helper):
    """{module: its syntax tree} for the whole helper."""
    found = {}
    for path in sorted((helper.folder / "nin").rglob("*.py")):
        parts = path.relative_to(helper.folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def helper_faults(helper):
    """What in the helper imports what it must not: the core a wing, or a wing another."""
    found = []
    for module, tree in modules(helper).items():
        for name in (name for node in ast.walk(tree) for name in imports(node, helper, module)):
            if name.split(".")[0] != "nin" or module == "nin.__main__":
                continue
            other = wing(module_of(name, helper), helper)
            if other and other != wing(module, helper):
                found.append(f"{module} imports {name}")
    return found


def at_import(tree):
    """The nodes that run when a module is imported: those outside functions."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def reader_faults(helper):
    """Which reader imports torch or what brings it, itself or by the helper's modules that it imports."""
    trees, found = modules(helper), []
    for reader in READERS:
        if reader not in trees:
            found.append(f"{reader} is missing")
            continue
        seen, pending = set(), [reader]
        while pending:
            module = pending.pop()
            if not module or module in seen:
                continue
            seen.add(module)
            pending.append(module.rpartition(".")[0])  # a package is imported before its module
            for name in (name for node in at_import(trees[module]) for name in imports(node, helper, module)):
                if name.split(".")[0] == "nin":
                    pending.append(module_of(name, helper))
                elif name.split(".")[0] in HEAVY:
                    found.append(f"{reader}: {module} imports {name}")
    return found


def notebook_faults(chapter, sources, helper):
    """What a chapter imports of the helper that it must not, or not at the top of a cell, where tools see it."""
    found, allowed = [], {*READERS, *MEASURED.get(chapter, ())}
    for tree in map(ast.parse, sources):
        for node in ast.walk(tree):
            for name in (name for name in imports(node, helper, "nin") if name.split(".")[0] == "nin"):
                module = module_of(name, helper)
                if wing(module, helper) and module not in allowed:
                    found.append(f"{chapter} imports {name}")
                if node not in tree.body:
                    found.append(f"{chapter} imports {name} within something")
    return found


def long_modules(helper):
    """The core's modules with too many lines."""
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines())
               for path in (helper.folder / "nin").glob("*.py")}
    return [f"{name} has {length} lines" for name, length in lengths.items() if length > LONGEST]


OURS = reach.Helper(notebooks.BOOK)


def sources(path):
    """The sources of a notebook's code cells."""
    return [cell.source for cell in notebooks.read(path).cells if cell.cell_type == "code"]


def test_the_core_imports_no_wing_and_no_wing_another():
    assert helper_faults(OURS) == []


def test_readers_import_no_torch():
    assert reader_faults(OURS) == []


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_chapters_import_the_core_and_the_readers(path):
    assert notebook_faults(path.stem, sources(path), OURS) == []


def test_what_chapters_measure_is_imported_by_them():
    """The list of exceptions holds nothing that is none."""
    for chapter, measured in MEASURED.items():
        trees = map(ast.parse, sources(notebooks.BOOK / f"{chapter}.ipynb"))
        names = [name for tree in trees for node in ast.walk(tree) for name in imports(node, OURS, "nin")]
        assert measured <= {module_of(name, OURS) for name in names if name.split(".")[0] == "nin"}


def test_each_module_of_the_core_is_read_in_one_sitting():
    assert long_modules(OURS) == []


def test_what_no_page_shows_is_not_too_wide_either():
    """In pages, ruff holds the width."""
    root = notebooks.ROOT
    folders = [root / "tests", root / "tools", notebooks.BOOK / "_ext", *(notebooks.BOOK / "nin").glob("*/")]
    files = [root / "conftest.py", *(path for folder in folders for path in folder.rglob("*.py"))]
    wide = [f"{path.relative_to(root)}:{number}" for path in files
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > WIDEST]
    assert len(files) > 40 and wide == []


MADE_UP = {
    "__init__.py": "",
    "__main__.py": "from .runs import record\nfrom .bench import rows\n",
    "model.py": "import torch\n",
    "recipes.py": "import json\n",
    "runs/__init__.py": "",
    "runs/read.py": "from .. import recipes\nfrom .studies import STUDIES\n\n\ndef later():\n    import torch\n",
    "runs/studies.py": "from ..recipes import json\nSTUDIES = {}\n",
    "runs/answers.py": "",
    "runs/fears.py": "",
    "runs/starts.py": "",
    "runs/record.py": "import torch\nfrom nin.model import torch\nfrom . import read\n",
    "bench/__init__.py": "",
    "bench/rows.py": "import nin.recipes\n",
    "bench/layers.py": "from ..model import torch\n",
}


@pytest.fixture
def house(tmp_path):
    """A made-up house without a fault; a function that changes one of its modules."""
    def write(name, text):
        path = tmp_path / "nin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return reach.Helper(tmp_path)

    for name, text in MADE_UP.items():
        write(name, text)
    return write


def test_a_house_without_a_fault(house):
    helper = house("recipes.py", "import json\n" * LONGEST)
    assert helper_faults(helper) == reader_faults(helper) == long_modules(helper) == []
    cells = ["from nin import model\nfrom nin.runs import read",
             "from nin.runs.studies import STUDIES\nimport nin.bench.rows"]
    assert notebook_faults("nin-block", cells, helper) == []
    assert notebook_faults("speed", ["from nin.bench import layers", "from nin.bench.layers import x"], helper) == []


@pytest.mark.parametrize("name, text, fault", [
    ("model.py", "from .runs import read", "nin.model imports nin.runs.read"),
    ("model.py", "def f():\n    from nin.runs.read import load", "nin.model imports nin.runs.read.load"),
    ("model.py", "from . import bench", "nin.model imports nin.bench"),
    ("model.py", "import nin.bench.rows", "nin.model imports nin.bench.rows"),
    ("__init__.py", "from .runs.read import load", "nin imports nin.runs.read.load"),
    ("runs/record.py", "from ..bench import rows", "nin.runs.record imports nin.bench.rows"),
    ("bench/__init__.py", "from nin.runs import read", "nin.bench imports nin.runs.read"),
])
def test_a_core_that_imports_a_wing_is_found(house, name, text, fault):
    assert helper_faults(house(name, text)) == [fault]


@pytest.mark.parametrize("name, text, fault", [
    ("runs/read.py", "import torch.nn", "nin.runs.read: nin.runs.read imports torch.nn"),
    ("bench/rows.py", "from ..model import build", "nin.bench.rows: nin.model imports torch"),
    ("bench/__init__.py", "from . import layers", "nin.bench.rows: nin.model imports torch"),
    ("bench/rows.py", "try:\n    from d2l import torch\nexcept ImportError:\n    torch = None",
     "nin.bench.rows: nin.bench.rows imports d2l.torch"),
])
def test_a_reader_that_imports_torch_is_found(house, name, text, fault):
    assert reader_faults(house(name, text)) == [fault]


def test_a_missing_reader_is_found(house):
    helper = house("bench/rows.py", "")
    helper.path("nin.bench.rows").unlink()
    assert reader_faults(helper) == ["nin.bench.rows is missing"]


@pytest.mark.parametrize("chapter, source, fault", [
    ("training", "from nin.runs.record import main", "training imports nin.runs.record.main"),
    ("nin-block", "from nin.bench import layers", "nin-block imports nin.bench.layers"),
    ("nin-block", "from nin import runs", "nin-block imports nin.runs"),
    ("training", "import nin.bench", "training imports nin.bench"),
    ("training", "if True:\n    from nin import model", "training imports nin.model within something"),
])
def test_a_chapter_that_imports_too_much_is_found(house, chapter, source, fault):
    assert notebook_faults(chapter, [source], house("recipes.py", "")) == [fault]


def test_a_long_module_is_found(house):
    assert long_modules(house("model.py", "\n" * (LONGEST + 1))) == [f"model.py has {LONGEST + 1} lines"]
