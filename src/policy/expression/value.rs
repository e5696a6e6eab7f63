//! Values of an evaluation, and what can be computed with two of them.

use std::cmp::Ordering;

/// A value while it is computed with: small, so that it is copied and never kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'v str),
    /// Milliseconds since 1970.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
}

/// How two values must lie for an ordering to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Relation {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Relation {
    /// Whether it holds for values that lie like this.
    #[inline]
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }

    /// [`Relation::holds`] for two numbers.
    #[inline]
    pub fn holds_for(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
        }
    }

    /// The relation that holds where this one does not.
    pub const fn contrary(self) -> Self {
        match self {
            Self::Less => Self::GreaterEqual,
            Self::LessEqual => Self::Greater,
            Self::Greater => Self::LessEqual,
            Self::GreaterEqual => Self::Less,
        }
    }

    /// The same relation seen from the other side.
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The first and the last millisecond of the times that CEL knows, the years 1 to 9999.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

impl Arithmetic {
    /// The result, unless there is none: overflow, a division by zero, a value of another type.
    #[inline]
    pub fn of<'v>(self, left: Value<'v>, right: Value<'v>) -> Option<Value<'v>> {
        match (left, right) {
            (Value::Double(left), Value::Double(right)) => self.of_doubles(left, right).map(Value::Double),
            (Value::Int(left), Value::Int(right)) => self.of_ints(left, right).map(Value::Int),
            (Value::Duration(left), Value::Duration(right)) => self.of_times(left, right).map(Value::Duration),
            (Value::Time(left), Value::Time(right)) if self == Self::Subtract => left.checked_sub(right).map(Value::Duration),
            (Value::Time(time), Value::Duration(by)) => {
                self.of_times(time, by).filter(|time| TIMES.contains(time)).map(Value::Time)
            }
            (Value::Duration(by), Value::Time(time)) if self == Self::Add => {
                time.checked_add(by).filter(|time| TIMES.contains(time)).map(Value::Time)
            }
            _ => None,
        }
    }

    #[inline]
    fn of_doubles(self, left: f64, right: f64) -> Option<f64> {
        match self {
            Self::Add => Some(left + right),
            Self::Subtract => Some(left - right),
            Self::Multiply => Some(left * right),
            Self::Divide => Some(left / right),
            Self::Remainder => None,
        }
    }

    fn of_ints(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
        }
    }

    fn of_times(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply | Self::Divide | Self::Remainder => None,
        }
    }
}

/// Whether two values are equal; values of different types are not, but numbers are whatever their type.
#[inline]
pub(super) fn equal(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left == right,
        #[expect(clippy::float_cmp, reason = "equality of doubles is what CEL defines")]
        (Value::Double(left), Value::Double(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        _ => order(left, right) == Some(Ordering::Equal),
    }
}

/// How two values lie to each other, or `None` where they have no order: they are of different types, or one is NaN.
#[inline]
pub(super) fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(&right),
        (Value::Int(left), Value::Double(right)) => order_mixed(left, right),
        (Value::Double(left), Value::Int(right)) => order_mixed(right, left).map(Ordering::reverse),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(&right)),
        (Value::Int(left), Value::Int(right))
        | (Value::Time(left), Value::Time(right))
        | (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

/// 2⁶³, the first double beyond the whole numbers.
const BEYOND_INTS: f64 = 9_223_372_036_854_775_808.0;

/// How a whole number lies to a double, exactly: neither is rounded to the other's type.
fn order_mixed(int: i64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        None
    } else if double >= BEYOND_INTS {
        Some(Ordering::Less)
    } else if double < -BEYOND_INTS {
        Some(Ordering::Greater)
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "it lies within the whole numbers; the fraction is compared next")]
        let whole = double.trunc() as i64;
        Some(int.cmp(&whole).then(0.0.partial_cmp(&double.fract())?))
    }
}

/// A number as a whole one: towards zero.
pub(super) fn to_int(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(value) => Some(value),
        #[expect(clippy::cast_possible_truncation, reason = "it lies within the whole numbers, and the fraction is to be cut")]
        Value::Double(value) => (value > -BEYOND_INTS && value < BEYOND_INTS).then_some(value as i64),
        Value::Text(text) => text.parse().ok(),
        Value::Bool(_) | Value::Time(_) | Value::Duration(_) => None,
    }
}

/// A number as a double; a text that is a decimal number too.
pub(super) fn to_double(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Double(value) => Some(value),
        Value::Int(value) => Some(value as f64),
        Value::Text(text) => {
            let decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
            text.parse().ok().filter(|number: &f64| decimal && number.is_finite())
        }
        Value::Bool(_) | Value::Time(_) | Value::Duration(_) => None,
    }
}
