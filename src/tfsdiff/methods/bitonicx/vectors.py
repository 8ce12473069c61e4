"""Short vectors of float64 in compiled functions: eight neighbouring columns at a time.

The compiler turns loops over columns into vector instructions by itself, but then each sum is
loaded and stored at every term. With the vectors here a compiled function keeps sums in registers
while it walks over a neighbourhood. They exist inside compiled functions only and know
`+ - * /` and `abs`, and what is defined below. Every lane is rounded as a scalar would
be: on any processor the results are the same to the bit.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numba.np.arrayobj import make_array

LANES = 8  # one register of AVX-512, two of AVX2, four of NEON
_LAYOUT = ir.VectorType(ir.DoubleType(), LANES)


class Vector(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name=f"Vector({LANES})")


VECTOR = Vector()


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, _LAYOUT)


def _pointer(context, builder, kind, array, index):
    data = make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _LAYOUT.as_pointer())


@intrinsic
def load(typing, array, index):
    """Vector of the values of a flat `array` from `index` on."""

    def generate(context, builder, signature, arguments):
        return builder.load(_pointer(context, builder, signature.args[0], *arguments), align=8)

    return VECTOR(array, types.intp), generate


@intrinsic
def store(typing, array, index, values):
    """Write the vector `values` to a flat `array` from `index` on."""

    def generate(context, builder, signature, arguments):
        *place, values = arguments
        builder.store(values, _pointer(context, builder, signature.args[0], *place), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, VECTOR), generate


@intrinsic
def spread(typing, number):
    """Vector of equal values."""

    def generate(context, builder, signature, arguments):
        first = ir.Constant(ir.IntType(32), 0)
        one = builder.insert_element(ir.Constant(_LAYOUT, ir.Undefined), arguments[0], first)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, one, lanes)

    return VECTOR(types.float64), generate


@intrinsic
def where_less(typing, a, b, values):
    """`values` where a < b, 0 elsewhere."""

    def generate(context, builder, signature, arguments):
        a, b, values = arguments
        zeros = ir.Constant(_LAYOUT, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered("<", a, b), values, zeros)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


@intrinsic
def fma(typing, a, b, c):
    """The vector a * b + c, rounded once."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "fma", arguments)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


@intrinsic
def _magnitude(typing, a):
    def generate(context, builder, signature, arguments):
        return _call(builder, "fabs", arguments)

    return VECTOR(VECTOR), generate


def _call(builder, name, arguments):
    kind = ir.FunctionType(_LAYOUT, [_LAYOUT] * len(arguments))
    name = f"llvm.{name}.v{LANES}f64"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@overload(abs)
def _abs(a):
    return (lambda a: _magnitude(a)) if a is VECTOR else None


def _operator(symbol, instruction):
    @intrinsic
    def apply(typing, a, b):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return VECTOR(VECTOR, VECTOR), generate

    @overload(symbol)
    def choose(a, b):
        return (lambda a, b: apply(a, b)) if a is VECTOR and b is VECTOR else None


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
