import numpy as np

from audio_model.known.course import FRAMES_A_STEP, MAX_STEP, MOVES, SEARCHES, Course, likely_course

FREE, LIKE = -0.5, 3.0


def likeness(columns: list[int], n: int = 60) -> np.ndarray:
    """Steps that are alike at one alignment each."""
    alike = np.full((len(columns), n), FREE, np.float32)
    alike[np.arange(len(columns)), columns] = LIKE
    return alike


def test_a_path_steps_where_alignments_do() -> None:
    course = likely_course(likeness([20] * 10 + [35] * 10 + [31] * 10), SEARCHES[0])
    seams = (10 * FRAMES_A_STEP, 20 * FRAMES_A_STEP)
    assert course == Course((20, 35, 31), seams, (False, False))


def test_what_moves_by_more_than_the_most_slips_twice() -> None:
    course = likely_course(likeness([5] * 12 + [5 + MAX_STEP + 1] * 10), SEARCHES[0])
    assert course is not None and len(course.seams) == 2


def test_neighbours_that_are_too_far_apart_part_where_a_piece_is_left_out() -> None:
    """Beyond a call's end a path wanders to what is alike by chance; the call stays a match."""
    far = 9 + MAX_STEP + 1
    course = Course((3, 9, 15, far, 20), (30, 60, 65, 80), (True, False, False, True))
    before = Course((3, 9), (30,), (True,))
    behind = Course((far, 20), (80,), (True,))
    assert list(course.without(2)) == [before, behind]
    alone = Course((5, 9, 5 + MAX_STEP + 1), (30, 60), (False, False))
    assert list(alone.without(1)) == [Course((5,)), Course((5 + MAX_STEP + 1,))]


def test_a_piece_that_is_worth_less_than_its_price_is_left_out() -> None:
    course = likely_course(likeness([20] * 10 + [35] + [20] * 10), SEARCHES[0])
    assert course == Course((20,))


def test_small_slips_cost_less() -> None:
    """Two steps to another alignment gain 2 * 3.5 over staying, for there and back."""
    alike = likeness([20] * 10 + [22] * 2 + [20] * 10)
    assert likely_course(alike, SEARCHES[0]) == Course((20,))
    course = likely_course(alike, SEARCHES[1])
    assert course is not None and course.alignments == (20, 22, 20)


def test_nothing_alike_has_no_course() -> None:
    assert likely_course(np.full((30, 60), FREE, np.float32), SEARCHES[0]) is None


def test_a_course_can_do_without_any_piece() -> None:
    course = Course((3, 9, 5), (30, 60), (True, False))
    assert list(course.without(0)) == [Course((9, 5), (60,), (False,))]
    assert list(course.without(2)) == [Course((3, 9), (30,), (True,))]
    inner = list(course.without(1))
    assert {one.alignments for one in inner} == {(3, 5)}
    assert {(one.seams, one.even) for one in inner} == {
        ((at,), (even,)) for at in (30, 37, 45, 52, 60) for even in (False, True)
    }
    assert len(list(course.variants())) == 2 * (1 + len(MOVES)) + 1 + 10 + 1


def test_the_shortest_piece_lies_between_two_seams() -> None:
    course = Course((3, 9, 5, 3), (5, 40, 50), (False,) * 3)
    assert course.shortest(12) == 2
    assert course.shortest(10) is None
    assert Course((3,)).shortest(12) is None
