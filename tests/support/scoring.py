"""Sparse optimal scoring in NumPy, from its equations; the package is not called."""

import functools

import numpy as np
from sklearn import datasets
from sklearn.linear_model import ElasticNet


@functools.cache
def load(name):
    """Samples and classes that scikit-learn ships, few enough to fit often."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (x, y) if name != "digits" else (x[:300], y[:300])


@functools.cache
def wide(classes=3, n=30, p=60, seed=0):
    """More features than samples; the first nine tell the classes apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4 * np.eye(p, k=1))
    x[:, :9] += 1.5 * rng.normal(size=(classes, 9))[y]
    return x, y


def standard(x):
    """Columns of mean 0 and variance 1, the latter with n - 1; constant ones are zero."""
    centred, deviation = x - x.mean(0), x.std(0, ddof=1)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def indicator(y):
    return (y[:, None] == np.unique(y)).astype(float)


def norms(b, labels):
    """The norm of each group, and the square root of its size."""
    groups = np.unique(labels)
    found = [np.linalg.norm(b[labels == group]) for group in groups]
    return np.array(found), np.array([np.sqrt(np.sum(labels == group)) for group in groups])


def objective(x, y, theta, b, lam, gamma, group_lam=0.0, labels=None):
    """The objective as it is written, of samples that are not standardised yet."""
    residual = indicator(y) @ theta - standard(x) @ b
    found = residual @ residual / len(x) + gamma * (b @ b) + lam * np.abs(b).sum()
    if group_lam > 0:
        found += group_lam * np.prod(norms(b, labels), axis=0).sum()
    return found


def gradient(x, y, theta, b, gamma):
    """The gradient of the smooth part of the objective."""
    residual = indicator(y) @ theta - standard(x) @ b
    return -2 / len(x) * (standard(x).T @ residual) + 2 * gamma * b


def violation(x, y, theta, b, lam, gamma, group_lam=0.0, labels=None):
    """The largest distance of a gradient to the negative subgradients of the penalty."""
    slope = gradient(x, y, theta, b, gamma)
    labels = np.arange(len(b)) if labels is None else np.asarray(labels)
    worst = 0.0
    for group in np.unique(labels):
        inside = labels == group
        g, z, level = slope[inside], b[inside], group_lam * np.sqrt(inside.sum())
        length = np.linalg.norm(z)
        if length > 0:
            g = g + level * z / length
            left = np.where(z != 0, np.abs(g + lam * np.sign(z)), np.maximum(np.abs(g) - lam, 0))
            worst = max(worst, left.max())
        else:
            left = np.linalg.norm(np.maximum(np.abs(g) - lam, 0)) - level
            worst = max(worst, left)
    return worst


def elastic_net(x, y, theta, lam, gamma):
    """The coefficients for given scores, by scikit-learn's coordinate descent."""
    alpha = lam / 2 + gamma
    model = ElasticNet(
        alpha=alpha, l1_ratio=lam / 2 / alpha, fit_intercept=False, tol=1e-14, max_iter=200_000
    )
    return model.fit(standard(x), indicator(y) @ theta).coef_


def proximal_descent(x, y, theta, lam, gamma, group_lam, labels, steps=5_000):
    """The coefficients for given scores, by plain accelerated proximal gradient steps."""
    matrix, target, labels = standard(x), indicator(y) @ theta, np.asarray(labels)
    step = 1 / (2 * np.linalg.norm(matrix, 2) ** 2 / len(x) + 2 * gamma)
    shrink = np.sqrt(step * 2 * gamma)
    momentum = (1 - shrink) / (1 + shrink)
    b = ahead = np.zeros(x.shape[1])
    for _ in range(steps):
        slope = 2 / len(x) * matrix.T @ (matrix @ ahead - target) + 2 * gamma * ahead
        u = ahead - step * slope
        u = np.sign(u) * np.maximum(np.abs(u) - step * lam, 0)
        for group in np.unique(labels):
            inside = labels == group
            length = np.linalg.norm(u[inside])
            level = step * group_lam * np.sqrt(inside.sum())
            u[inside] *= max(1 - level / length, 0) if length > 0 else 0
        b, ahead = u, u + momentum * (u - b)
    return b


def free_scores(y, before=()):
    """A basis of the scores that are orthogonal to the constant ones and to those before."""
    shares = indicator(y).mean(0)
    taken = np.column_stack([np.ones(len(shares)), *before])
    rows = np.linalg.svd((taken * shares[:, None]).T)[2][taken.shape[1] :]
    inner = rows @ (shares[:, None] * rows.T)
    return rows.T @ np.linalg.inv(np.linalg.cholesky(inner)).T


def scan(x, y, lam, gamma, angles, before=()):
    """The least objective over scores on a circle, which are all there are with three classes."""
    basis = free_scores(y, before)
    found = []
    for angle in np.linspace(0, np.pi, angles, endpoint=False):
        theta = basis @ np.array([np.cos(angle), np.sin(angle)])
        b = elastic_net(x, y, theta, lam, gamma)
        found.append(objective(x, y, theta, b, lam, gamma))
    return min(found)
