"""What DALL·E is trained on, token by token. Ramesh et al. 2021, section 2.2."""

import math


def dalle_loss(text_logits, image_logits, text, image_tokens, text_mask=None, *, text_weight=1 / 8):
    """Lambda times the mean of -ln p over the real text tokens, and 1 - lambda times that over the image tokens."""
    of_text = [
        _surprise(text_logits[b, i], text[b, i])
        for b in range(text.shape[0])
        for i in range(text.shape[1])
        if text_mask is None or text_mask[b, i]
    ]
    of_image = [
        _surprise(image_logits[b, i], image_tokens[b, i])
        for b in range(image_tokens.shape[0])
        for i in range(image_tokens.shape[1])
    ]
    mean_of_text = sum(of_text) / len(of_text) if of_text else 0.0
    return text_weight * mean_of_text + (1 - text_weight) * sum(of_image) / len(of_image)


def _surprise(logits, token):
    """-ln (e^z_t / sum_v e^z_v)."""
    return math.log(sum(math.exp(z) for z in logits)) - logits[token]
