from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.config.values import Secret
from audio_model.gateway.outlets.security import NumberHasher, safe_name, same


def test_only_the_secret_is_the_secret() -> None:
    secret = Secret("pässword")
    assert same("pässword", secret)
    for given_ in ("", "passwort", "pässwor", "pässword ", "\udcff"):
        assert not same(given_, secret)


def test_a_number_has_one_hash_under_one_key_and_another_under_another() -> None:
    one, other = NumberHasher(Secret("salt")), NumberHasher(Secret("pepper"))
    assert one("+15550100") == one("+15550100") == NumberHasher(Secret("salt"))("+15550100")
    assert one("+15550100") != one("+15550101")
    assert one("+15550100") != other("+15550100")
    assert "5550100" not in one("+15550100")
    assert one("") == ""
    assert NumberHasher()("+15550100") != NumberHasher()("+15550100"), "random by default"
    assert NumberHasher(hide=False)("+15550100") == "+15550100"


@given(st.text(max_size=200))
def test_any_text_has_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert len(name.encode()) < 100
    assert not set(name) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def test_safe_names_are_told_apart() -> None:
    names = ["a/b", "a_b", "a.b", "../a", "a" * 100, "a" * 101, "通话", ""]
    assert len({safe_name(name) for name in names}) == len(names)
    assert safe_name("CA123-x_y") == "CA123-x_y"
