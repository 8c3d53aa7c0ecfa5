"""The checks of several chapters.

An error names the function, the rule in the letters of the shapes, and what was given::

    scaled_dot_product_attention: query and key must agree in d_k,
    got query (2, 3, 4) with d_k=4, key (2, 5, 6) with d_k=6.

Sizes and values raise `ValueError`, dtypes and kinds `TypeError`. Checks read shapes and dtypes; those that read values
do so only where there are values to read. Sizes are compared one by one and never put in a set: while torch exports
they are symbols.
"""

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch._subclasses import FakeTensor


def shape_of(tensor: Tensor) -> str:
    """The shape as errors print it."""
    return str(tuple(tensor.shape))


def listed(names: Sequence[str]) -> str:
    """The names as a sentence lists them: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def check_tensor(who: str, **tensors: object) -> None:
    """Each is a tensor, not an array or a list, and a dense one."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{who}: {name} must be a torch.Tensor, got {kind_of(tensor)}.")
        if tensor.is_nested or tensor.layout != torch.strided:
            given = "a nested tensor" if tensor.is_nested else f"{tensor.layout}"
            raise TypeError(f"{who}: {name} must be a dense tensor, got {given}.")


def kind_of(thing: object) -> str:
    """The type as errors print it, with its module where that is not Python's own: numpy.ndarray, int."""
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def check_floating(who: str, **tensors: Tensor) -> None:
    """All the tensors hold floating-point numbers of one dtype, on one device.

    Under autocast dtypes may differ, for torch brings them to one; but not float64, which autocast leaves as it is.
    """
    first, *others = tensors.values()
    given = ", ".join(f"{name} {tensor.dtype}" for name, tensor in tensors.items())
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise TypeError(f"{who}: {listed(list(tensors))} must be floating point, got {given}.")
    if any(tensor.dtype != first.dtype for tensor in others):
        wide = any(tensor.dtype == torch.float64 for tensor in tensors.values())
        autocast = all(under_autocast(tensor) for tensor in tensors.values())
        if wide or not autocast:
            hint = "; autocast leaves float64 as it is" if wide and autocast else ""
            raise TypeError(f"{who}: {listed(list(tensors))} must share one dtype, got {given}{hint}.")
    if any(tensor.device != first.device for tensor in others):
        given = ", ".join(f"{name} on {tensor.device}" for name, tensor in tensors.items())
        raise ValueError(f"{who}: {listed(list(tensors))} must be on one device, got {given}.")


def under_autocast(tensor: Tensor) -> bool:
    """Whether autocast is on where the tensor is."""
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def check_axes(
    who: str, name: str, tensor: Tensor, form: str, *, exactly: int | None = None, at_least: int = 1
) -> None:
    """It is a tensor, and has as many axes as its form says."""
    check_tensor(who, **{name: tensor})
    if (exactly is not None and tensor.ndim != exactly) or tensor.ndim < at_least:
        raise ValueError(f"{who}: {name} must be {form}, got shape {shape_of(tensor)}.")


def check_same_size(who: str, letter: str, **tensors: tuple[Tensor, int]) -> None:
    """Each tensor has the same size along the axis given beside it."""
    sizes = {name: tensor.shape[axis] for name, (tensor, axis) in tensors.items()}
    first, *others = sizes.values()
    if any(size != first for size in others):
        given = ", ".join(f"{n} {shape_of(t)} with {letter}={sizes[n]}" for n, (t, _) in tensors.items())
        raise ValueError(f"{who}: {listed(list(tensors))} must agree in {letter}, got {given}.")


def check_size(who: str, letter: str, size: int, name: str, tensor: Tensor, axis: int) -> None:
    """The tensor has the size this Module was built for."""
    if tensor.shape[axis] != size:
        raise ValueError(
            f"{who}: {name} must have {letter}={size}, "
            f"got {name} {shape_of(tensor)} with {letter}={tensor.shape[axis]}."
        )


def check_mask(
    who: str, mask: Tensor | None, shape: Sequence[int], form: str = "(..., n_q, n_k)", **beside: Tensor
) -> None:
    """The mask is bool (True = may attend), broadcasts to the shape, and is on the device of what is named beside it.

    It is never read as numbers.
    """
    if mask is None:
        return
    check_bool(who, "mask", mask, "may attend")
    fits = 2 <= mask.ndim <= len(shape) and all(
        given in (1, wanted) for given, wanted in zip(reversed(mask.shape), reversed(shape), strict=False)
    )
    if not fits:
        hint = ""
        if len(shape) > 2 and tuple(mask.shape) == (shape[0], shape[-1]):
            hint = f"; for a token mask (batch, n), pass token_mask[:{', None' * (len(shape) - 2)}]"
        raise ValueError(f"{who}: mask must broadcast to {form} = {tuple(shape)}, got shape {shape_of(mask)}{hint}.")
    for name, tensor in beside.items():
        if mask.device != tensor.device:
            raise ValueError(
                f"{who}: mask must be on the device of {name}, got mask on {mask.device}, {name} on {tensor.device}."
            )


def check_bool(who: str, name: str, mask: Tensor, true: str) -> None:
    """A mask is a tensor of bool; `true` says what True means."""
    if not isinstance(mask, Tensor):
        raise TypeError(f"{who}: {name} must be a torch.Tensor of bool (True = {true}), got {kind_of(mask)}.")
    check_tensor(who, **{name: mask})
    if mask.dtype != torch.bool:
        raise TypeError(f"{who}: {name} must be bool (True = {true}), got {mask.dtype}.")


def check_range(who: str, name: str, tensor: Tensor, most: int, rule: str) -> None:
    """Whole numbers from zero to the maximum. Reads values, so it is left out where there are none to read."""
    if not has_values(tensor):
        return
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0 or high > most:
        raise ValueError(f"{who}: {name} must lie between {rule}={most}, got {low} to {high}.")


def has_values(tensor: Tensor) -> bool:
    """Whether the tensor holds numbers that may be read now: not while torch traces, nor inside of `torch.func`."""
    if torch.compiler.is_compiling() or _is_tracing() or is_functorch_wrapped_tensor(tensor):
        return False
    return not (tensor.is_meta or isinstance(tensor, FakeTensor)) and tensor.numel() > 0


def _is_tracing() -> bool:
    return torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def check_int(who: str, **numbers: int | torch.SymInt) -> None:
    """Numbers are whole. While torch exports, sizes are symbols; while `torch.jit` traces, they are tensors."""
    for name, number in numbers.items():
        if _is_tracing() and isinstance(number, Tensor):
            continue
        if isinstance(number, bool) or not isinstance(number, int | torch.SymInt):
            raise TypeError(f"{who}: {name} must be an int, got {kind_of(number)}.")


def check_at_least(who: str, least: int, **sizes: int | torch.SymInt) -> None:
    """Sizes are whole numbers, not below the minimum."""
    check_int(who, **sizes)
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{who}: {name} must be at least {least}, got {size}.")


def check_choice(who: str, name: str, given: str, choices: Sequence[str]) -> None:
    """The word is one of those on offer."""
    if given not in choices:
        raise ValueError(f"{who}: {name} must be one of {', '.join(map(repr, choices))}, got {given!r}.")


def check_attend(who: str, attend: object, *, optional: bool = True, name: str = "attend") -> None:
    """`attend` can be called as the protocol says; None, where it is allowed, means no attention."""
    protocol = "(query, key, value, mask) -> (output, weights)"
    if isinstance(attend, type):
        raise TypeError(
            f"{who}: {name} must be a function or an instance {protocol}, "
            f"got the class {attend.__name__}; make one first: {attend.__name__}(...)."
        )
    if optional and attend is None:
        return
    if not callable(attend):
        kind = "None or a callable" if optional else "a callable"
        raise TypeError(f"{who}: {name} must be {kind} {protocol}, got {attend!r}.")
    if isinstance(attend, nn.MultiheadAttention):
        hint = "its masks are True where attnref's are False; MultiHeadAttention.from_torch takes its weights"
        raise TypeError(f"{who}: {name} must be a callable {protocol}, got a torch.nn.MultiheadAttention: {hint}.")
    if isinstance(attend, nn.Module) and type(attend).forward is nn.Module.forward:
        raise TypeError(f"{who}: {name} must be a callable {protocol}, got {kind_of(attend)}, which has no forward.")
    call = attend.forward if isinstance(attend, nn.Module) else attend
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # of what is not written in Python
        return
    try:
        signature.bind(None, None, None, None)
    except TypeError:
        given = f"{getattr(attend, '__name__', type(attend).__name__)}({', '.join(signature.parameters)})"
        raise TypeError(f"{who}: {name} must take (query, key, value, mask), got {given}.") from None


def check_attended(who: str, result: object, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor | None]:
    """What an `attend` returned is the protocol's pair: output (..., n_q, d_v), weights (..., n_q, n_k) or None."""
    if not (isinstance(result, tuple) and len(result) == 2):
        size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        raise TypeError(f"{who}: attend must return a pair (output, weights), got {kind_of(result)}{size}.")
    output, weights = result
    if not isinstance(output, Tensor) or not (weights is None or isinstance(weights, Tensor)):
        given = f"({kind_of(output)}, {kind_of(weights)})"
        raise TypeError(f"{who}: attend must return (output, weights), two tensors or a tensor and None, got {given}.")
    wanted = (*query.shape[:-1], value.shape[-1])
    if output.shape != wanted:
        raise ValueError(f"{who}: attend must return output (..., n_q, d_v) = {wanted}, got shape {shape_of(output)}.")
    if output.dtype != value.dtype and not under_autocast(value):
        raise TypeError(f"{who}: attend must return output in the dtype of value, {value.dtype}, got {output.dtype}.")
    for name, tensor in (("output", output), ("weights", weights)):
        if tensor is not None and tensor.device != value.device:
            given = f"{tensor.device}, value on {value.device}"
            raise ValueError(f"{who}: attend must return {name} on the device of value, got {name} on {given}.")
    if weights is not None and not weights.is_floating_point():
        raise TypeError(f"{who}: attend must return weights in floating point, got {weights.dtype}.")
    leading, table = tuple(query.shape[:-2]), (query.shape[-2], key.shape[-2])
    if weights is not None and (weights.shape[: len(leading)], weights.shape[-2:]) != (leading, table):
        heads = ", for several heads with an axis for them before n_q"
        raise ValueError(
            f"{who}: attend must return weights (..., n_q, n_k) = {(*leading, *table)}{heads}, "
            f"got shape {shape_of(weights)}."
        )
    return output, weights
