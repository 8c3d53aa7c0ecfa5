"""Deliberate mistakes in the loss of DALL·E: what, the right text, the wrong one."""

TESTS = ("models/test_dalle_loss.py",)
MISTAKES = {
    "models/dalle_loss.py": [
        ("text weighs seven eighths", "text_weight: float = 1 / 8", "text_weight: float = 7 / 8"),
        (
            "weights exchanged",
            "text_weight * of_text.mean() + (1 - text_weight) * of_image",
            "(1 - text_weight) * of_text.mean() + text_weight * of_image",
        ),
        ("image weighs one", "(1 - text_weight) * of_image", "of_image"),
        ("padding counts in the number", "text_mask.sum())", "text_mask.numel())"),
        ("padding scored", "    if text_mask is not None:\n", "    if False:\n"),
        ("padding scored alone", "(of_text * text_mask)", "(of_text * ~text_mask)"),
        (
            "not a number without text",
            "divide_or_zero((of_text * text_mask).sum(), text_mask.sum())",
            "(of_text * text_mask).sum() / text_mask.sum()",
        ),
        ("dtype lost", "return loss.to(scores.image_logits.dtype)", "return loss"),
        ("sum over the image", "image_tokens).mean()", "image_tokens).sum()"),
        ("in the dtype of the logits", "at_least_float32(logits).movedim", "logits.movedim"),
        (
            "softmax over the positions",
            ".movedim(-1, 1), tokens.long()",
            ".movedim(1, 1).transpose(1, 2).softmax(-1), tokens.long()",
        ),
        ("any scores pass", "    if not isinstance(scores, DALLEScores):\n", "    if False:\n"),
        ("weight not checked", '    check_number("dalle_loss", 0, 1, text_weight=text_weight)\n', ""),
        ("text not checked", '    _check("text", scores.text_logits, text, "text_vocab_size")\n', ""),
        ("image not checked", '    _check("image", scores.image_logits, image_tokens, "num_codes")\n', ""),
        ("mask not checked", '    check_token_mask("dalle_loss", "text_mask", text_mask, text)\n', ""),
        ("sizes may differ", "    if logits.shape[:2] != tokens.shape:\n", "    if False:\n"),
        ("any dtype passes", '    check_floating("dalle_loss", **{f"{kind}_logits": logits})\n', ""),
    ],
}
