//! Numbers: the grammar, and the nearest double.

use super::{Scanner, Stop};
use crate::event::keys::Span;
use crate::event::unreadable::Code;

/// The powers of ten that are doubles exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
    1e22,
];
/// Whole numbers up to this are doubles exactly.
const EXACT: u64 = 1 << 53;

impl Scanner<'_> {
    /// Reads the number that comes next: its value and its text. One beyond a double is noted.
    pub fn number(&mut self) -> Result<(f64, Span), Stop> {
        let start = self.at;
        let mut digits = Digits::default();
        let negative = self.text.as_bytes()[start] == b'-';
        if negative {
            self.at += 1;
        }
        self.whole(&mut digits)?;
        let point = digits.count;
        if self.next_is(b'.') {
            self.at += 1;
            self.digits(&mut digits, "a digit after the point")?;
        }
        let mut exponent = 0;
        if self.next_is(b'e') || self.next_is(b'E') {
            self.at += 1;
            exponent = self.exponent()?;
        }
        let fraction = i64::try_from(digits.count - point).unwrap_or(i64::MAX);
        let magnitude = digits.exactly(exponent.saturating_sub(fraction));
        let value = match magnitude {
            Some(magnitude) if negative => -magnitude,
            Some(magnitude) => magnitude,
            None => self.nearest(start),
        };
        Ok((value, Span::new(start, self.at)))
    }

    /// The double nearest to the number that began at `start`: the slow way, for any number.
    fn nearest(&mut self, start: usize) -> f64 {
        let value = self.text[start..self.at].parse().unwrap_or(f64::INFINITY);
        if value.is_infinite() {
            self.note(Code::OutOfRange, Some(start), "the number is beyond a double".to_owned());
        }
        value
    }

    fn whole(&mut self, digits: &mut Digits) -> Result<(), Stop> {
        let start = self.at;
        self.digits(digits, "a digit")?;
        if digits.count > 1 && self.text.as_bytes()[start] == b'0' {
            return Err(self.stop(Code::NotJson, start, "a number with a leading zero".to_owned()));
        }
        Ok(())
    }

    fn exponent(&mut self) -> Result<i64, Stop> {
        let negative = self.next_is(b'-');
        if negative || self.next_is(b'+') {
            self.at += 1;
        }
        let start = self.at;
        self.digits(&mut Digits::default(), "a digit of the exponent")?;
        let size = self.text[start..self.at].parse().unwrap_or(i64::MAX);
        Ok(if negative { -size } else { size })
    }

    /// Reads the digits that come next, one or more.
    #[inline]
    fn digits(&mut self, digits: &mut Digits, wanted: &str) -> Result<(), Stop> {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            digits.significand = digits.significand.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        digits.count += self.at - start;
        if self.at == start { Err(self.unexpected(wanted)) } else { Ok(()) }
    }

    #[inline]
    fn next_is(&self, byte: u8) -> bool {
        self.text.as_bytes().get(self.at) == Some(&byte)
    }
}

/// The digits of a number without its point.
#[derive(Default)]
struct Digits {
    count: usize,
    /// Their value; wrong when there are more than 19, where it may have wrapped.
    significand: u64,
}

impl Digits {
    /// Their value · 10^`scale`, if it takes one rounding at most: then it is the nearest double (W. D. Clinger, "How to
    /// read floating point numbers accurately").
    #[inline]
    fn exactly(&self, scale: i64) -> Option<f64> {
        let power = *POWERS.get(usize::try_from(scale.unsigned_abs()).ok()?)?;
        if self.count > 19 || self.significand > EXACT {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a whole number up to 2^53 is a double")]
        let significand = self.significand as f64;
        Some(if scale < 0 { significand / power } else { significand * power })
    }
}
