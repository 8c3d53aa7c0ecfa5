"""The names of a page: what each stands for, and which of them a statement reads, binds and changes.

Beside the page's own names there are a few that no code has: `x.grad` (what `backward` writes), `<torch>`, `<numpy>`,
`<random>` (the states of the random generators) and `<settings>`.
"""

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field

from slicing.things import EVERYTHING, Scope, Thing, parts_of, reach


@dataclass
class Effect:
    """What a statement does to the names of its page."""

    reads: set[str] = field(default_factory=set)  # before it binds them itself
    binds: set[str] = field(default_factory=set)  # for sure, so that what they were before is gone
    changes: set[str] = field(default_factory=set)  # perhaps, or in part


class Names:
    """The names of a page and what happens to them."""

    def __init__(self) -> None:
        self.page = self.scope = Scope()
        self.seeded: set[str] = set()  # without a seed, no output can depend on the numbers that are drawn
        self.effect = Effect()
        self.stack: list[Thing] = []
        self.selves: list[Thing | None] = []

    def look_up(self, name: str) -> Thing:
        """What a name stands for; at the page's level, it is read."""
        owner = self.scope.owner(name)
        if owner is None and hasattr(builtins, name):
            if name in EVERYTHING:
                self.effect.reads.add("*")
            return Thing("import", path=f"builtins.{name}")
        if owner in (None, self.page):
            self._reads(name)
        thing = owner.names[name] if owner else Thing("import", path=f"?.{name}")
        for part in parts_of(thing):
            if part.kind == "iterator":
                self.change(part, deep=False)
                self.hand_over([part])
        if thing.kind == "import":
            self._reads(f"<settings of {thing.path.partition('.')[0]}>", only_if_seeded=True)
        return thing

    def _reads(self, name: str, only_if_seeded: bool = False) -> None:
        if name not in self.effect.binds and (not only_if_seeded or name in self.seeded):
            self.effect.reads.add(name)

    def bind(self, target: ast.expr, thing: Thing, sure: bool = True) -> None:
        """Assign to a name, to several, or to a part of something."""
        match target:
            case ast.Name(id=name):
                self.bind_name(name, thing, sure)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.bind(part, self.item(thing), sure)
            case ast.Starred(value=inner):
                self.bind(inner, thing, sure)
            case ast.Attribute(value=base, attr="grad"):
                if isinstance(base, ast.Name) and self.scope is self.page:
                    self._reads(base.id)
                    self.effect.binds.add(f"{base.id}.grad")
                else:
                    self.change(self.value(base), gradients_only=True)
            case ast.Attribute(value=base) | ast.Subscript(value=base):
                owner = self.value(base)
                if isinstance(target, ast.Subscript):
                    self.value(target.slice)
                    self.use(owner)
                self.change(owner, deep=owner.kind not in ("container", "object"))
                if owner.kind != "data":
                    owner.holds.add(thing)

    def bind_name(self, name: str, thing: Thing, sure: bool = True) -> None:
        """Let a name stand for a thing, in the scope where an assignment here would put it."""
        scope = self.scope
        while scope.passing and scope.parent:
            scope = scope.parent
        if name in scope.elsewhere:
            self._touch({*self.stack}, gradients_only=False)
            scope, sure = (scope.parent and scope.parent.owner(name)) or self.page, False
        old = scope.names.get(name)
        if scope is self.page:
            if sure:
                self.effect.binds |= {name, f"{name}.grad"}
            else:
                self.effect.changes |= {name, f"{name}.grad"}
                plain = old is None or (old.kind == thing.kind == "data" and not old.holds | thing.holds)
                thing = thing if plain or old is None else Thing("part", holds=[old, thing])
        scope.names[name] = thing

    def change(self, *things: Thing, deep: bool = True, gradients_only: bool = False) -> None:
        """Something happens to these things: to every name of the page that reaches them."""
        hit = reach(*things) if deep else set(things)
        if any(thing.kind == "import" for thing in things):
            self._set_up(next(thing for thing in things if thing.kind == "import").path)
        self._touch({thing for thing in hit if thing.kind not in ("import", "class")}, gradients_only)

    def _touch(self, hit: set[Thing], gradients_only: bool) -> None:
        for name, thing in self.page.names.items():
            if thing.kind != "import" and reach(thing) & hit:
                self.effect.changes |= {f"{name}.grad"} if gradients_only else {name, f"{name}.grad"}

    def _set_up(self, path: str) -> None:
        """A call for the sake of the library's own state: how it prints, what is drawn so far."""
        root = path.partition(".")[0]
        name = "<settings>" if root in ("torch", "numpy", "builtins", "warnings", "?") else f"<settings of {root}>"
        self.seeded.add(name)
        self._reads(name)
        self.effect.changes.add(name)

    def read_gradients(self, *things: Thing) -> None:
        """The gradients of these things are read."""
        wanted = reach(*things)
        for name, thing in self.page.names.items():
            if thing.kind != "import" and reach(thing) & wanted:
                self._reads(f"{name}.grad")

    def draw(self, stream: str) -> None:
        """Take a random number. It depends on the seed and on all that were drawn since."""
        self._reads(f"<{stream}>", only_if_seeded=True)
        self.effect.changes.add(f"<{stream}>")

    def seed(self, streams: Iterable[str], sure: bool) -> None:
        """Start random generators anew."""
        for name in (f"<{stream}>" for stream in streams):
            (self.effect.binds if sure else self.effect.changes).add(name)
            self.seeded.add(name)

    @staticmethod
    def item(thing: Thing) -> Thing:
        """A part of something: of an array a view, of anything else one of its parts."""
        return thing if thing.kind in ("data", "part") else Thing("part", holds=thing.holds or [thing])

    # What the other files add

    def value(self, node: ast.expr | None) -> Thing:
        """What an expression gives."""
        raise NotImplementedError

    def use(self, thing: Thing) -> None:
        """An operator, a loop or a print meets a thing."""
        raise NotImplementedError

    def hand_over(self, things: list[Thing], calls: bool = True) -> None:
        """A library gets things."""
        raise NotImplementedError
