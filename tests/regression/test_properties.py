"""Properties that hold for every shape, scale and mask."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pnr_jax.regression import IRLS, least_squares, pnorm_regression

# Few shapes, since each is compiled; many values.
SHAPES = st.sampled_from([(1, 1, 1), (9, 4, 3), (3, 5, 2)])
SCALES = st.floats(-4, 4).map(lambda exponent: 10.0**exponent)
SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def problems(draw):
    """P, H and weights of 0, 1 or 3, with repeated rows, ties and zeros among them."""
    n, d, D = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        P, H = rng.integers(-2, 3, (n, d)), rng.integers(-2, 3, (n, D))
    else:
        P, H = rng.standard_normal((n, d)), rng.standard_t(1.5, (n, D))
    return np.float32(P), np.float32(H), np.float32(rng.choice([0, 1, 3], n))


def objective(P, H, v, F, p=1.0):
    P, H, F, v = (np.asarray(x, np.float64) for x in (P, H, F, v))
    return v @ np.abs(H - P @ F) ** p


@SETTINGS
@given(problems())
def test_no_worse_than_least_squares_by_its_own_measure(problem):
    P, H, v = problem
    least = objective(P, H, v, least_squares(P, H, weights=v))
    fit = objective(P, H, v, pnorm_regression(P, H, weights=v, solver=IRLS(9)))
    assert np.all(fit <= 1.01 * least + 1e-4 * np.abs(H).max())


@SETTINGS
@given(problems(), SCALES, SCALES, SCALES)
def test_units_change_the_answer_accordingly(problem, P_scale, H_scale, v_scale):
    P, H, v = problem
    units = P * np.float32(P_scale), H * np.float32(H_scale), v * np.float32(v_scale)
    unit = np.float32(P_scale / H_scale)

    def both(p):
        options = {"p": p, "solver": IRLS(12)}
        F = pnorm_regression(P, H, weights=v, **options)
        return F, pnorm_regression(*units[:2], weights=units[2], **options) * unit

    F, scaled = both(1.5)
    size = np.abs(H).max() + 1e-3
    np.testing.assert_allclose(P @ scaled, P @ F, atol=2e-3 * size)
    # Several fits may be the best for p = 1, but they are equally good.
    values = (objective(P, H, v, F) for F in both(1.0))
    np.testing.assert_allclose(*values, atol=1e-3 * size * v.sum())


@SETTINGS
@given(problems())
def test_a_weight_is_a_repetition_and_the_order_of_rows_is_nothing(problem):
    P, H, v = problem
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(P)), v.astype(int)))
    padding = 3 * len(P) - len(order)
    P2, H2 = (np.pad(x[order], [(0, padding), (0, 0)], constant_values=7) for x in (P, H))
    mask = np.float32(np.arange(3 * len(P)) < len(order))
    least, least2 = least_squares(P, H, weights=v), least_squares(P2, H2, weights=mask)
    np.testing.assert_allclose(P @ least2, P @ least, atol=1e-3 * np.abs(H).max() + 1e-6)


@SETTINGS
@given(problems())
def test_columns_do_not_see_each_other(problem):
    P, H, v = problem
    together = pnorm_regression(P, jnp.tile(H, (1, 3)), p=1.5, weights=v)
    alone = P @ np.asarray(pnorm_regression(P, H, p=1.5, weights=v))
    for third in np.split(P @ np.asarray(together), 3, axis=1):
        np.testing.assert_allclose(third, alone, atol=1e-3 * np.abs(H).max() + 1e-6)
