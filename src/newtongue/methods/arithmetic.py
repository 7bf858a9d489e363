"""Check the sums inside a written chain of thought. Digits of any script, four operations, the usual precedence.

Source: ours. Published instruction sets of this kind (Alif, arXiv 2510.09051) ship chains nobody checked.
"""

from __future__ import annotations

import re
from fractions import Fraction

_NUMBER = r"(?:\d{1,3}(?:[,٬]\d{2,3})+|\d+)(?:[.٫]\d+)?"
"""Digits of any script, perhaps grouped by thousands or in the Indian way."""
_SIGN = {"+": "+", "-": "-", "−": "-", "–": "-", "×": "*", "*": "*", "x": "*", "÷": "/", "/": "/"}
_OPERATOR = "[" + re.escape("".join(_SIGN)) + "]"
_EQUATION = re.compile(rf"(?<![\w.,٬])({_NUMBER}(?:\s*{_OPERATOR}\s*{_NUMBER})+)\s*=\s*({_NUMBER})(?![.٫,٬]?\d)")
_FREE_NUMBER = re.compile(rf"(?<![\w.,٬]){_NUMBER}")


def equations(text: str) -> list[tuple[str, str]]:
    """Return every (expression, value) pair written as `12 + 7 = 19` in a text.

    Example:
        >>> equations("پہلے 12 + 7 = 19، پھر ۱۹ − ۴ = ۱۵۔")
        [('12 + 7', '19'), ('۱۹ − ۴', '۱۵')]
    """
    return _EQUATION.findall(text)


def false_equations(text: str) -> list[str]:
    """Return the equations of a text that do not hold, as written; nothing to check gives an empty list.

    Example:
        >>> false_equations("2 + 3 × 4 = 14, 7 ÷ 2 = 4")
        ['7 ÷ 2 = 4']
    """
    return [f"{left} = {right}" for left, right in equations(text) if evaluate(left) != _number(right)]


def chain_problem(text: str) -> tuple[str, str]:
    """Return (reason, the place) why a written chain of thought cannot be trusted, or two empty texts.

    Its sums must hold, and where numbers follow the last sum its value must be among them.

    Example:
        >>> chain_problem("3 × 4 = 12, 12 + 2 = 14. جواب: 15 سیب")
        ('answer differs from its sums', '12 + 2 = 14')
        >>> chain_problem("3 × 4 = 12. جواب: ۱۲")
        ('', '')
    """
    if wrong := false_equations(text):
        return "wrong sum", wrong[0]
    found = list(_EQUATION.finditer(text))
    if not found:
        return "", ""
    last = found[-1]
    after = [_number(number) for number in _FREE_NUMBER.findall(text[last.end() :])]
    if after and _number(last[2]) not in after:
        return "answer differs from its sums", last[0]
    return "", ""


def evaluate(expression: str) -> Fraction | None:
    """Return the exact value of numbers joined by operators; None for a division by zero.

    Example:
        >>> evaluate("24 ÷ 6 + 2")
        Fraction(6, 1)
    """
    total, sign = Fraction(0), 1
    for part in re.split(r"\s*([+\-−–])\s*", expression.strip()):
        if _SIGN.get(part) in ("+", "-"):
            sign = 1 if _SIGN[part] == "+" else -1
            continue
        product = _product(part)
        if product is None:
            return None
        total += sign * product
    return total


def _product(term: str) -> Fraction | None:
    pieces = re.split(r"\s*([×*x÷/])\s*", term)
    value = _number(pieces[0])
    for operator, operand in zip(pieces[1::2], pieces[2::2], strict=True):
        factor = _number(operand)
        if _SIGN[operator] == "/" and factor == 0:
            return None
        value = value * factor if _SIGN[operator] == "*" else value / factor
    return value


def _number(text: str) -> Fraction:
    whole, _, decimals = re.sub("[,٬]", "", text.strip()).replace("٫", ".").partition(".")
    return Fraction(int(whole + decimals), 10 ** len(decimals))
