"""Whether a response closed its thinking: reasoning models write it between <think> and </think>.

The markers are looked for in the text that the checkpoint's tokenizer spells. A merge that has the quick model's
tokenizer may emit the slow model's marker tokens, which then spell something else (`<|box_start|>` with Qwen2.5's) and
are not seen.
"""

OPENING, CLOSING = "<think>", "</think>"


def thinking_closed(prompt: str, response: str) -> bool | None:
    """Say whether a response's thinking was closed.

    Args:
        prompt: The prompt's text, which may open the thinking itself.
        response: The response's text, special tokens included: some tokenizers have the markers as such.

    Returns:
        None if neither prompt nor response opened any, else whether the last that was opened was closed.
    """
    opened_by_prompt = prompt.rfind(OPENING) > prompt.rfind(CLOSING)
    if not opened_by_prompt and OPENING not in response:
        return None
    return response.rfind(CLOSING) > response.rfind(OPENING)
