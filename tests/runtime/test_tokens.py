"""Bearer tokens."""

import re

from maglev.runtime.tokens import new_token, token_key


def test_tokens_are_long_differ_and_fit_into_urls_and_cookies():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[\w-]{43}", each) for each in tokens)


def test_a_token_is_known_by_a_key_that_does_not_tell_it():
    token = new_token()
    assert token_key(token) == token_key(token) != token_key(new_token())
    assert token.encode() not in token_key(token)
