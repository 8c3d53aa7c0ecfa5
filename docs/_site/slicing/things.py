"""What the code of a page talks about, as far as reading it tells: objects, what they hold, and the names of libraries.

The walk over the code works with these. The lists below are about torch and NumPy; where they do not know a name, the
more careful reading is taken.
"""

import ast
import itertools
import re
from collections.abc import Iterable

WORDS = str.split

# Give a view of what they are given, or the thing itself; all other functions and methods of arrays give a new array.
VIEWS = set(
    WORDS(
        """view view_as reshape transpose swapaxes swapdims movedim moveaxis permute t squeeze unsqueeze expand
        expand_as expand_dims flatten unflatten ravel narrow select split tensor_split hsplit vsplit
        dsplit chunk unbind diagonal
        unfold as_strided detach numpy contiguous to type astype float double half bfloat16 int long bool cpu cuda
        real imag conj view_as_real view_as_complex as_tensor asarray asanyarray from_numpy from_dlpack broadcast_to
        broadcast_tensors broadcast_arrays atleast_1d atleast_2d atleast_3d dropout values indices"""
    )
)
# Attributes of an array that share nothing with it.
FACTS = set(WORDS("shape dtype ndim device size layout is_leaf requires_grad itemsize nbytes __name__ __class__"))
# Change the list, dict or set that they belong to.
CONTAINER_CHANGES = set(
    WORDS(
        """append appendleft extend insert add update setdefault pop popleft popitem remove discard clear sort reverse
        rotate subtract intersection_update difference_update __setitem__ __delitem__"""
    )
)
# Change the Module, optimizer or counter that they belong to.
OBJECT_CHANGES = set(
    WORDS(
        """to type float double half bfloat16 cpu cuda eval train apply step zero_grad load_state_dict fit update reset
        add_module register_buffer register_parameter register_module register_forward_hook register_forward_pre_hook
        register_full_backward_hook register_hook remove reset_parameters set_submodule compile share_memory
        resize_token_embeddings"""
    )
)
# Leave any object as it is.
OBJECT_READS = set(
    WORDS(
        """parameters named_parameters buffers named_buffers modules named_modules children named_children state_dict
        get_parameter get_submodule items keys values get copy count index shape numel dim format join split strip"""
    )
)
NEW_BUILTINS = set(
    WORDS(
        """abs all any ascii bin bool bytes callable chr complex divmod float format hasattr hash hex id int isinstance
        issubclass len oct ord pow print range repr round slice str sum type"""
    )
)
# Builtins that call nothing they are given.
CALM_BUILTINS = NEW_BUILTINS | set(WORDS("list tuple set dict enumerate zip reversed iter getattr frozenset super"))
CONTAINERS = set(WORDS("list tuple set dict sorted frozenset"))
ITERATORS = set(WORDS("iter zip map filter enumerate reversed open"))
EVERYTHING = set(WORDS("exec eval globals locals vars dir"))
# Packages whose functions change nothing that they are given.
PURE_ROOTS = set(
    WORDS(
        """builtins torch numpy attnref math copy functools itertools json pickle re operator statistics time textwrap
        string collections dataclasses typing contextlib"""
    )
)

SEED = re.compile(r"(manual_)?seed(_all)?|set_seed|set_rng_state|set_state")
DRAW = re.compile(
    r"rand|randn|rand_like|randn_like|randint\w*|randperm|normal|bernoulli|multinomial|poisson|\w*dropout\w*"
    r"|gumbel_softmax|rrelu|random_split|fork_rng|get_rng_state|\w*sample|\w+_"
)
DRAW_METHOD = re.compile(
    r"(normal|uniform|random|bernoulli|exponential|log_normal|cauchy|geometric)_|bernoulli|multinomial|r?sample"
    r"|reset_parameters"
)
QUIET = re.compile(  # classes that draw no numbers when they are made
    r"attnref\.(AutoregressiveModel|MarkovModel)|torch\.(?!nn\.).*|torch\.nn\.(parameter|utils|functional)\..*"
    r"|torch\.nn\.(Parameter|Module\w*|Sequential|Identity|Flatten|Unflatten|Softmax|Dropout\w*|\w*Norm\w*|\w*Loss"
    r"|\w*ReLU\d?|[GSC]?ELU|SiLU|Tanh|Sigmoid|\w*Pool\w*)"
)
UNSTEADY = re.compile(r".*(Dropout|Transformer(Encoder|Decoder)?Layer|\.Transformer)")  # draw whenever they are called
COUNTING = re.compile(r".*(BatchNorm|InstanceNorm|spectral_norm)")  # keep a record of what passes through
STEADY = re.compile(r"(torch\.nn|attnref)\.")  # Modules: a call changes nothing but what COUNTING says


_serials = itertools.count()


class Thing:
    """An object of the page, or several that may share memory."""

    def __init__(
        self,
        kind: str = "data",
        holds: Iterable["Thing"] = (),
        made_from: Iterable["Thing"] = (),
        path: str = "",
        node: ast.AST | None = None,
        scope: "Scope | None" = None,
    ) -> None:
        self.serial = next(_serials)  # so that things are walked over in the order in which they were met
        self.kind = kind  # data, container, part, iterator, object, function, bound, class, super, import
        self.holds = set(holds)  # its parts, what it is a view of, what it keeps for later
        self.made_from = set(made_from)  # what it was computed from: the way of a gradient
        self.path = path  # of an import, or of what made an object: torch.nn.Linear; of a bound method, its name
        self.node, self.scope = node, scope  # of a function, a class, a generator: its code and where it stands
        self.defaults: dict[str, Thing] = {}
        self.methods: dict[str, Thing] = {}
        self.bases: list[Thing] = []  # of a class; of an object, its class
        self.random = False  # a call draws numbers

    def method(self, name: str) -> "Thing | None":
        """A method that the page defines, of this class or object, or of those it inherits from."""
        if name in self.methods:
            return self.methods[name]
        return next((found for base in self.bases if (found := base.method(name))), None)

    def dunders(self) -> "list[Thing]":
        """The special methods that the page defines: operators, iteration, printing."""
        own = [m for name, m in self.methods.items() if name.startswith("__") and name not in ("__init__", "__new__")]
        return own + [m for base in self.bases for m in base.dunders()]


class Scope:
    """The names of the page, of one call of a function, or of a comprehension."""

    def __init__(self, parent: "Scope | None" = None, passing: bool = False) -> None:
        self.parent, self.passing = parent, passing  # a comprehension passes := on to the scope around it
        self.names: dict[str, Thing] = {}
        self.elsewhere: set[str] = set()  # declared global or nonlocal
        self.returned: list[Thing] = []

    def owner(self, name: str) -> "Scope | None":
        """The scope that a name is found in."""
        if name in self.names:
            return self
        return self.parent.owner(name) if self.parent else None


def reach(*things: Thing, gradients: bool = False) -> set[Thing]:
    """These things and all that they hold; with `gradients`, all that they were computed from too."""
    found, open_ends = set(), list(things)
    while open_ends:
        thing = open_ends.pop()
        if thing not in found:
            found.add(thing)
            open_ends += thing.holds
            scope = thing.scope  # a function within a function holds the names around it
            while scope and scope.parent:
                open_ends += scope.names.values()
                scope = scope.parent
            open_ends += thing.made_from if gradients else ()
    return found


def parts_of(thing: Thing) -> list[Thing]:
    """A thing and all that it holds, in the order in which they were met."""
    return sorted(reach(thing), key=lambda part: part.serial)
