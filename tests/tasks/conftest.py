"""What the tests of the tasks share: refusals word for word."""

import pytest


@pytest.fixture
def refuses():
    """The call raises this kind of error, with these words and no others."""

    def check(call, kind, words):
        with pytest.raises(kind) as error:
            call()
        assert str(error.value) == words

    return check
