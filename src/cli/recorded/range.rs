//! Where a range of a topic begins and ends.

use std::fmt;
use std::str::FromStr;

use crate::identity::Timestamp;
use crate::stream::log_reader::Extent;
use crate::stream::processor::InputPartition;

/// An end of a range, as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    Earliest,
    Latest,
    Offset(i64),
    Time(Timestamp),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unclear = || "an offset, a time such as 2026-01-05T10:00:00Z, `earliest` or `latest`".to_owned();
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map(Self::Offset).map_err(|_| unclear()),
            time => Timestamp::parse(time).map(Self::Time).ok_or_else(unclear),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Offset(offset) => offset.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// Whether a range from `from` to `to` can hold anything, as far as the words alone can tell.
pub(super) fn is_forward(from: Bound, to: Bound) -> bool {
    match (from, to) {
        (Bound::Offset(from), Bound::Offset(to)) => from < to,
        (Bound::Time(from), Bound::Time(to)) => from < to,
        (Bound::Latest, _) | (_, Bound::Earliest) => false,
        _ => true,
    }
}

/// The offsets of `partition`, whose log is `log`, from `from` to before `to`. `at` finds the first offset of a time or later;
/// none where there is none.
///
/// # Errors
/// Where `at` fails, or an offset is outside of the log.
pub(super) fn offsets<E: fmt::Display>(
    (from, to): (Bound, Bound),
    partition: &InputPartition,
    log: Extent,
    at: impl Fn(Timestamp) -> Result<Option<i64>, E>,
) -> Result<Extent, String> {
    let offset = |bound: Bound, option: &str| match bound {
        Bound::Earliest => Ok(log.low),
        Bound::Latest => Ok(log.high),
        Bound::Time(time) => {
            let found = at(time).map_err(|error| error.to_string())?;
            Ok(found.unwrap_or(log.high).clamp(log.low, log.high))
        }
        Bound::Offset(offset) if (log.low..=log.high).contains(&offset) => Ok(offset),
        Bound::Offset(offset) if log.low == log.high => {
            Err(format!("{option} {offset} is outside of {partition}, which holds no record (its next offset is {}).", log.high))
        }
        Bound::Offset(offset) => Err(format!(
            "{option} {offset} is outside of {partition}, which holds the offsets {} to {}. Say another one, or choose the \
             partitions that are meant with --partition.",
            log.low,
            log.high - 1
        )),
    };
    let (low, high) = (offset(from, "--from")?, offset(to, "--to")?);
    Ok(Extent { low, high: high.max(low) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Extent = Extent { low: 10, high: 20 };

    fn read(text: &str) -> Bound {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn found(from: &str, to: &str) -> Result<(i64, i64), String> {
        let partition = InputPartition { topic: "t".to_owned(), partition: 3 };
        // Offset 12 was appended at 1,000 ms, nothing came after 5,000 ms.
        let at = |time: Timestamp| Ok::<_, String>((time.0 <= 5_000).then_some(if time.0 <= 0 { 3 } else { 12 }));
        offsets((read(from), read(to)), &partition, LOG, at).map(|extent| (extent.low, extent.high))
    }

    #[test]
    fn ends_of_a_range_are_read() {
        assert_eq!(read("0"), Bound::Offset(0));
        assert_eq!(read("1970-01-01T00:00:01Z"), Bound::Time(Timestamp(1_000)));
        for wrong in ["", "-1", "now", "2026-01-05", "99999999999999999999", "1e3"] {
            assert!(wrong.parse::<Bound>().is_err(), "{wrong}");
        }
        for text in ["earliest", "latest", "17", "2026-01-05T10:00:00.000Z"] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn backwards_is_told_from_the_words() {
        for (from, to, forward) in [
            ("earliest", "latest", true),
            ("3", "4", true),
            ("3", "3", false),
            ("2026-01-05T10:00:00Z", "2026-01-05T09:00:00Z", false),
            ("latest", "9", false),
            ("9", "earliest", false),
            ("9", "2026-01-05T09:00:00Z", true),
        ] {
            assert_eq!(is_forward(read(from), read(to)), forward, "{from} {to}");
        }
    }

    #[test]
    fn offsets_lie_within_the_log() {
        assert_eq!(found("earliest", "latest"), Ok((10, 20)));
        assert_eq!(found("10", "20"), Ok((10, 20)));
        assert_eq!(found("1970-01-01T00:00:01Z", "latest"), Ok((12, 20)));
        assert_eq!(found("1970-01-01T00:00:00Z", "1970-01-01T00:00:09Z"), Ok((10, 20)), "before the log and after it");
        assert_eq!(found("15", "1970-01-01T00:00:01Z"), Ok((15, 15)), "backwards is nothing");
        for (from, to) in [("9", "latest"), ("earliest", "21"), ("21", "22")] {
            assert!(found(from, to).is_err_and(|said| said.contains("t/3, which holds the offsets 10 to 19")), "{from} {to}");
        }
    }
}
