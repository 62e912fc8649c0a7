from audio_model.line.groups import Groups


def test_groups_that_are_one_have_the_name_that_was_met_first() -> None:
    groups = Groups()
    groups.join(["a", "b"])
    groups.join(["c", "d"])
    assert [groups.name(each) for each in "abcde"] == ["a", "a", "c", "c", "e"]
    groups.join(["d", "b", "f"])
    groups.join(["a", "c"])
    assert [groups.name(each) for each in "abcdef"] == ["c", "c", "c", "c", "e", "c"]
