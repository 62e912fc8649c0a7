from audio_model.gateway.config.values import Secret
from audio_model.gateway.outlets.security import NumberHasher, same


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
