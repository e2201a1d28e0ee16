"""Which names a piece of Python binds, needs and may change, by its syntax tree alone."""

import ast
from functools import cache

IMPORTS = (ast.Import, ast.ImportFrom)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@cache
def plain(node):
    """What a syntax tree means, as a text that is the same in all versions of Python: no positions, no docstrings."""
    fields = dict(ast.iter_fields(node))
    if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    kept = {name: value if isinstance(value, list) else [value] for name, value in sorted(fields.items())
            if value not in (None, []) and name not in ("ctx", "kind", "type_comment")}
    inside = [f"{name}={[plain(part) if isinstance(part, ast.AST) else part for part in value]}"
              for name, value in kept.items()]
    return f"{type(node).__name__}({', '.join(inside)})"


def imported(node):
    """{name: (module with its leading dots, the name in it or None)} for what an import statement binds."""
    if isinstance(node, ast.ImportFrom):
        return {name.asname or name.name: ("." * node.level + (node.module or ""), name.name) for name in node.names}
    return {name.asname or name.name.split(".")[0]: (name.name if name.asname else name.name.split(".")[0], None)
            for name in node.names}


def all_imported(nodes):
    """As `imported`, for all import statements among the nodes."""
    return {name: origin for node in nodes if isinstance(node, IMPORTS) for name, origin in imported(node).items()}


def dotted(node):
    """The text "a.b.c" for the expression a.b.c, else None."""
    if isinstance(node, ast.Attribute):
        return (start := dotted(node.value)) and f"{start}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def root(node):
    """The name that an expression begins with, as `a` in a.b[0](c).d, or None."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def first(names):
    """The first parts of dotted names."""
    return {name.split(".")[0] for name in names}


def without(names, roots):
    """The dotted names that do not begin with one of the roots."""
    return {name for name in names if name.split(".")[0] not in roots}


@cache
def scope(node):
    """The node and what is in it, but for the insides of functions and classes, and names of comprehensions."""
    found = [node]
    if not isinstance(node, (ast.Lambda, *DEFINITIONS)):
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.comprehension) and child is node.target):
                found += scope(child)
    return found


@cache
def bound(node):
    """The names that a node binds."""
    found = set()
    for part in scope(node):
        if isinstance(part, DEFINITIONS):
            found.add(part.name)
        elif isinstance(part, IMPORTS):
            found |= set(imported(part))
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            found.add(part.id)
    return found


@cache
def surely_bound(node):
    """The names that a statement binds whatever happens, so that their former values no longer count."""
    if isinstance(node, (ast.Assign, ast.AnnAssign, *IMPORTS, *DEFINITIONS)):
        return bound(node)
    if isinstance(node, ast.With):
        names = [bound(item.optional_vars) for item in node.items if item.optional_vars]
        return set().union(*names, *map(surely_bound, node.body))
    if isinstance(node, ast.If):
        return set().union(*map(surely_bound, node.body)) & set().union(*map(surely_bound, node.orelse))
    return set()


def needs_of(values):
    """The dotted names that statements in their order, or parts of one, take from outside."""
    found = frozenset()
    for part in reversed(values):
        if isinstance(part, ast.AST):
            found = without(found, surely_bound(part)) | needs(part)
    return found


@cache
def needs(node):
    """The dotted names that a node takes from outside."""
    if name := dotted(node):
        return {name} if isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load) else set()
    parts = {name: needs_of(value if isinstance(value, list) else [value]) for name, value in ast.iter_fields(node)}
    if isinstance(node, FUNCTIONS):
        body = node.body if isinstance(node.body, list) else [node.body]
        own = {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}.union(*map(bound, body))
        parts["body"] = without(set().union(*map(needs, body)), own - set(all_imported(body)))
    elif isinstance(node, COMPREHENSIONS):
        own = set().union(*(bound(part.target) for part in node.generators))
        return without(set().union(*parts.values()), own) | needs(node.generators[0].iter)
    elif isinstance(node, ast.For):
        parts["body"] = without(parts["body"], bound(node.target))
    elif isinstance(node, ast.With):
        parts["body"] = without(parts["body"], set().union(*(bound(item) for item in node.items)))
    elif isinstance(node, ast.AugAssign):
        parts["target"] = {root(node.target)}
    return set().union(*parts.values())


@cache
def effects(node):
    """(the names that a statement binds or assigns into, the calls in it whose results are thrown away)."""
    stores = {root(part) for part in scope(node) if isinstance(getattr(part, "ctx", None), ast.Store)}
    calls = [part.value for part in scope(node) if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call)]
    return bound(node) | stores, calls


def changes(node, showing):
    """The names whose values a statement may change: it binds them, assigns into them, or calls something with them."""
    found, calls = effects(node)
    calls = [call for call in calls if root(call) not in showing]
    if calls and hasattr(node, "body"):
        return found | first(needs(node))  # as in a loop where an optimiser, by its step, changes a network
    return found.union(*(first(needs(call)) for call in calls))
