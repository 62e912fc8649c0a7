import numpy as np
import pytest

from audio_model.known.products import ONE_THREAD, product

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("n_rows", "n", "n_columns"), [(0, 4, 60), (1, 16, 600), (600, 16, 600), (3, 600, 600)]
)
def test_a_product_in_pieces_is_that_of_the_whole(n_rows: int, n: int, n_columns: int) -> None:
    rows = RNG.standard_normal((n_rows, n)).astype(np.float32)
    columns = RNG.standard_normal((n, n_columns)).astype(np.float32)
    made = product(rows, columns)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, rows @ columns, rtol=1e-4, atol=1e-4)


def test_no_piece_is_larger_than_one_thread_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []
    matmul = np.matmul

    def counted(rows: np.ndarray, columns: np.ndarray, out: np.ndarray) -> np.ndarray:
        pieces.append(rows.shape[0] * columns.size)
        return matmul(rows, columns, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    product(np.ones((600, 16), np.float32), np.ones((16, 600), np.float32))
    assert sum(pieces) == 600 * 16 * 600
    assert max(pieces) <= ONE_THREAD
