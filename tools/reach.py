"""What a cell's output rests on, by names: its own text, the cells before it, the helper's functions it reaches.

Comments, docstrings and line breaks do not count, nor does what the cell has nothing to do with. One thing is out of
sight: an earlier cell that changes an object through another name.
"""

import ast
import hashlib
from pathlib import Path

from names import (
    DEFINITIONS,
    FUNCTIONS,
    IMPORTS,
    all_imported,
    bound,
    changes,
    dotted,
    first,
    imported,
    needs,
    plain,
    root,
    scope,
    surely_bound,
    without,
)

# Calls to these show something and change nothing, whatever they are given.
SHOWING = {"print", "display", "Markdown", "plt", "plots", "pd"}


def drawing(statements):
    """Names of figures and axes: what pyplot returns, and what loops over those take from them."""
    found = {"plt"}
    for part in (part for statement in statements for part in scope(statement)):
        if isinstance(part, ast.Assign) and root(part.value) in found:
            found = found.union(*map(bound, part.targets))
        elif isinstance(part, ast.For) and first(needs(part.iter)) & found:
            found |= bound(part.target)
    return found


def sets_something(node, modules):
    """Whether a statement is a call to a module with constants alone, such as a seed or a style."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or root(call) not in modules:
        return False
    constant = all(isinstance(part, ast.Constant) for part in [*call.args, *(key.value for key in call.keywords)])
    return constant and dotted(call.func) not in (None, "plt.show", "plt.close")


def slice_of(own, earlier):
    """What a cell's statements rest on: (statements before it, {(where a name is imported from, the dotted name)})."""
    modules, showing = all_imported([*earlier, *own]), SHOWING | drawing([*earlier, *own])
    called = set()  # what functions take from outside when they are called, which is after they were defined
    while True:
        wanted, taken, reached = set(called), [], set()
        for number, statement in enumerate(reversed([*earlier, *own])):
            if isinstance(statement, IMPORTS):
                names = imported(statement)
                reached |= {(names[name.split(".")[0]], name) for name in wanted if name.split(".")[0] in names}
                wanted = without(wanted, names)
            elif (number < len(own) or changes(statement, showing) & first(wanted)
                  or sets_something(statement, modules)):
                taken += [] if number < len(own) else [statement]
                wanted = without(wanted, surely_bound(statement)) | needs(statement)
        inside = set().union(*(needs(part) for part in [*taken, *own] if isinstance(part, FUNCTIONS)))
        if inside <= called:
            return taken, reached
        called |= inside


def called(own, earlier, helper):
    """The helper's functions and classes, as (module, name), that statements name, or functions of earlier cells that
    they call."""
    _, reached = slice_of(own, [part for part in earlier if isinstance(part, (*IMPORTS, ast.FunctionDef))])
    return {(module, name) for module, name in helper.places(reached)
            if any(isinstance(part, DEFINITIONS) for part in helper.module(module)[0].get(name, []))}


class Helper:
    """The helper package `nin` in a folder, as far as its sources tell."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.modules = {}

    def path(self, module):
        """The file of a module, or None where there is none."""
        start = self.folder.joinpath(*module.split("."))
        return next((path for path in (start.with_suffix(".py"), start / "__init__.py") if path.is_file()), None)

    def module(self, name):
        """({name: the statements at the module's top that make it}, {name: where the module imports it from})."""
        if name not in self.modules:
            if not self.path(name):
                raise LookupError(f"There is no module {name} in {self.folder}.")
            tree = ast.parse(self.path(name).read_text(encoding="utf-8"))
            made = {}
            for statement in tree.body:
                if not isinstance(statement, IMPORTS):
                    for changed in changes(statement, SHOWING):
                        made.setdefault(changed, []).append(statement)
            self.modules[name] = made, all_imported(ast.walk(tree))
        return self.modules[name]

    def absolute(self, module, inside):
        """The whole name of what the module `inside` imports as `module`, perhaps with leading dots."""
        name = module.lstrip(".")
        if name == module:
            return module
        package = inside.split(".") if self.path(inside).name == "__init__.py" else inside.split(".")[:-1]
        up = len(module) - len(name) - 1
        return ".".join([*package[:len(package) - up], *filter(None, [name])])

    def place(self, origin, name, inside=""):
        """Where a dotted name leads whose first part is imported from `origin`: (module, the name in it or ""), or None
        where that is not in the helper."""
        module = self.absolute(origin[0], inside)
        rest = [*filter(None, origin[1:]), *name.split(".")[1:]]
        if module.split(".")[0] != "nin":
            return None
        while rest and self.path(f"{module}.{rest[0]}"):
            module = f"{module}.{rest.pop(0)}"
        made, imports = self.module(module)
        if rest and rest[0] not in made and rest[0] in imports:
            return self.place(imports[rest[0]], ".".join(rest), module)
        return module, rest[0] if rest else ""

    def places(self, reached):
        """The helper's functions, classes and values, as (module, name), that pairs (origin, dotted name) lead to."""
        return {self.place(origin, name) for origin, name in reached} - {None}

    def texts(self, places):
        """{(module, name): its plain texts} for the places and all that they rest on."""
        found, pending = {}, set(places)
        while pending:
            module, name = place = pending.pop()
            made, imports = self.module(module)
            if not name:  # the module itself is handed on: all of it
                pending |= {(module, each) for each in made} - found.keys()
            found[place] = [plain(statement) for statement in made.get(name, [])]
            for needed in set().union(*map(needs, made.get(name, []))):
                start = needed.split(".")[0]
                there = (module, start) if start in made else None
                if not there and start in imports:
                    there = self.place(imports[start], needed, module)
                pending |= {there} - found.keys() - {None}
        return found


def short(texts):
    """A mark for texts; neither their order counts nor how often each is there."""
    return hashlib.sha256("\n".join(sorted(set(texts))).encode()).hexdigest()[:16]


def statements(source):
    """The statements of a cell; one that is no plain Python counts as a whole."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return [ast.Expr(ast.Constant(source))]


def marks(sources, helper):
    """For each cell's source, in order, a mark of each thing its output rests on: {"cell", "before", "helper"}."""
    found, earlier = [], []
    for source in sources:
        own = statements(source)
        taken, reached = slice_of(own, earlier)
        helped = [f"{name} {text}" for (_, name), texts in helper.texts(helper.places(reached)).items()
                  for text in texts]
        found.append({"cell": short(["\n".join(map(plain, own))]), "before": short(map(plain, taken)),
                      "helper": short(helped)})
        earlier += own
    return found
