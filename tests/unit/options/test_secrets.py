"""The option ``secrets``: names of secrets, never their values."""

from __future__ import annotations

from typing import Any

import pytest

from buildr import BuildSecret
from buildr.errors import OptionError
from buildr.options import package_options


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        ("pip", BuildSecret("pip")),
        ("id=netrc,src=~/.netrc", BuildSecret("netrc", src="~/.netrc")),
        ("id=netrc,source=a=b", BuildSecret("netrc", src="a=b")),
        ("src=conf,id=pip.conf", BuildSecret("pip.conf", src="conf")),
        ("id=TOKEN,env=CI_TOKEN", BuildSecret("TOKEN", env="CI_TOKEN")),
        ("id=TOKEN", BuildSecret("TOKEN", env="TOKEN")),
        ({"id": "TOKEN", "env": "CI_TOKEN"}, BuildSecret("TOKEN", env="CI_TOKEN")),
        (BuildSecret("TOKEN"), BuildSecret("TOKEN", env="TOKEN")),
    ],
)
def test_all_forms_of_a_secret_are_accepted(given: Any, secret: BuildSecret) -> None:
    assert package_options({"secrets": [given]}).secrets == (secret,)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("TOKEN", "not of the form"),
        ("id=TOKEN,id=OTHER", "not of the form"),
        ("id=a,type=env", "not of the form"),
        ("src=a", "'id' is missing"),
        ("id=a,src=b,env=C", "cannot be combined"),
        ("id=pip,src=pip.conf", "a file is id=pip.conf"),
        ("id=pip.conf", "the name of a variable"),
        ("id=../a,src=b", "cannot be '../a'"),
        ("id=-a,src=b", "cannot be '-a'"),
        ("id=a,src=", "it is empty"),
        ("id=a,env=B C", "cannot be 'B C'"),
        ({"id": "a", "path": "b"}, "'path' is not one of id, src, env"),
        (7, "cannot be 7"),
    ],
)
def test_anything_else_is_refused(given: Any, words: str) -> None:
    with pytest.raises(OptionError) as refused:
        package_options({"secrets": [given]})
    assert str(refused.value).startswith("package.secrets[0]")
    assert words in refused.value.what


def test_an_invalid_secret_is_not_repeated_in_the_error() -> None:
    with pytest.raises(OptionError) as refused:
        package_options({"secrets": ["hunter2hunter2"]})
    assert "hunter2" not in str(refused.value)


def test_two_secrets_of_one_id_are_refused() -> None:
    with pytest.raises(OptionError, match=r"secrets\[1\] cannot be 'A': two secrets have this id"):
        package_options({"secrets": ["id=A", "id=A,src=b"]})


def test_a_user_s_containerfile_may_request_secrets() -> None:
    found = package_options({"secrets": ["id=A,src=b"], "dockerfile": "Containerfile"})
    assert found.secrets == (BuildSecret(id="A", src="b"),)
