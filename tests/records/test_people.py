import pytest

from audio_model.errors import UsageError
from audio_model.records import people
from audio_model.records.people import Person, Role
from tests.records.made import store_of


def test_a_token_is_its_persons_and_is_not_kept() -> None:
    store = store_of()
    token = people.add(store, Person("wang", Role.MARKING, masked=True))
    assert people.of_token(store, token) == Person("wang", Role.MARKING, masked=True)
    assert people.of_token(store, token + "x") is None
    assert token not in str(store.rows("SELECT * FROM people"))


def test_a_new_token_ends_the_old_one_and_so_does_removing() -> None:
    store = store_of()
    old = people.add(store, Person("wang", Role.READING))
    new = people.add(store, Person("wang", Role.DECIDING))
    assert people.of_token(store, old) is None
    assert people.remove(store, "wang")
    assert people.of_token(store, new) is None and people.of_name(store, "wang") is None


def test_each_role_may_what_those_before_it_may() -> None:
    assert [role.may(Role.MARKING) for role in Role] == [False, True, True]


@pytest.mark.parametrize("name", ["", "a b", "<b>", "x" * 65])
def test_a_name_is_letters_and_digits(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        people.add(store_of(), Person(name, Role.READING))
