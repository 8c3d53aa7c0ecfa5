"""Compare what a prompt said to a copy with what the page shows."""

from collections.abc import Sequence

from fences import FLAGS, Checker
from prompt import Said
from slices import Copy, Statement


def differences(copy: Copy, said: Sequence[Sequence[Said]]) -> str:
    """How what the prompt said differs from what the page shows; nothing if it does not."""
    *above, own = said
    if raised := "".join(answer.raised for part in above for answer in part):
        return f"What stands above the snippet ends in an error:\n{raised}"
    return different_answers(copy.own, own)


def different_answers(statements: Sequence[Statement], said: Sequence[Said]) -> str:
    """The same for statements by themselves."""
    if not all(statement.session for statement in statements):  # a fence without prompts shows nothing: it must run
        statements, said = [s for s in statements if s.raises], [answer for answer in said if answer.raised]
    wanted = [statement for statement in statements if statement.want]
    for statement, answer in zip(wanted, said, strict=False):
        want, got = (statement.raises, answer.raised) if statement.raises else (statement.want, "".join(answer))
        if not Checker().check_output(want, got, FLAGS):
            return f">>> {statement.code}Expected:\n{want}Got:\n{got}"
    if len(wanted) > len(said):
        return f">>> {wanted[len(said)].code}printed nothing"
    return "".join(["Printed, and not on the page:\n", *said[len(wanted)]]) if len(said) > len(wanted) else ""
