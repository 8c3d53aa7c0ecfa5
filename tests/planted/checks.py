"""Deliberate mistakes in _checks.py: what, the right text, the wrong one."""

TESTS = (
    "attention/test_attend.py",
    "attention/test_additive.py",
    "attention/test_multi_head.py",
    "attention/test_ways_of_torch.py",
    "sequence/test_gru.py",
)
MISTAKES = {
    "_checks.py": [
        ("wrong value in a refusal", "with {letter}={tensor.shape[axis]}", "with {letter}={size}"),
        ("refusals name the wrong rule", "must agree in {letter}", "must agree"),
        ("float mask read as numbers", "if mask.dtype != torch.bool:", "if False:"),
        ("NumPy mask taken", "if not isinstance(mask, Tensor):", "if False:"),
        ("arrays taken for tensors", "if not isinstance(tensor, Tensor):", "if False:"),
        ("sparse tensors taken", "if tensor.is_nested or tensor.layout != torch.strided:", "if tensor.is_nested:"),
        ("nested tensors taken", "if tensor.is_nested or tensor.layout", "if tensor.layout"),
        ("torch's multi-head attention for attend", "if isinstance(attend, nn.MultiheadAttention):", "if False:"),
        ("an attend that returns whole numbers", "not weights.is_floating_point()", "False"),
        ("an attend that returns to another device", "tensor.device != value.device", "False"),
        ("float64 mixed under autocast", "if wide or not autocast:", "if not autocast:"),
        ("dtypes mixed without autocast", "if wide or not autocast:", "if wide:"),
        ("a mask of more axes than the scores", "2 <= mask.ndim <= len(shape)", "2 <= mask.ndim"),
        ("a mask on another device", "if mask.device != tensor.device:", "if False:"),
        ("bool taken for a size", "isinstance(number, bool) or ", ""),
        ("sizes while torch.jit traces", "if _is_tracing() and isinstance(number, Tensor):", "if False:"),
        ("a class for attend", "if isinstance(attend, type):", "if False:"),
        ("an attend that takes something else", "signature.bind(None, None, None, None)", "signature"),
        (
            "an attend that returns a list",
            "isinstance(result, tuple) and len",
            "isinstance(result, tuple | list) and len",
        ),
        ("an attend that returns another dtype", "if output.dtype != value.dtype and", "if False and"),
        ("an attend that returns another shape", "if output.shape != wanted:", "if False:"),
    ],
    "attention/_checks.py": [
        (
            "values of another number of samples",
            "query.shape[:-2] == key.shape[:-2] == value.shape[:-2]",
            "query.shape[:-2] == key.shape[:-2]",
        ),
        ("a mask on another device, everywhere", ", query=query)\n\n\ndef check_dot", ")\n\n\ndef check_dot"),
        ("values of another number of keys", "key=(key, -2), value=(value, -2)", "key=(key, -2), value=(key, -2)"),
    ],
}
